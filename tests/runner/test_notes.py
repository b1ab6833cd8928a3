from __future__ import annotations

import asyncio
import logging

from tests.runner.stage import Faulty
from wflow import stores
from wflow.engine import facts
from wflow.errors import StoreError
from wflow.runner import notes as keeping
from wflow.runner.notes import Notes
from wflow.server.lines import line_of


def line(text: str) -> facts.Logged:
    return facts.Logged("info", text, 1, source="worker")


async def kept(store: Faulty) -> list[str]:
    found = [line_of(record) for record in await store.tail(0, limit=100_000)]
    return [one.message for one in found if one is not None]


def test_lines_are_kept_in_order_many_in_one_write(tmp_path):
    async def story() -> None:
        store = Faulty(await stores.connect(f"sqlite://{tmp_path}"))
        notes = Notes(store)
        for number in range(100):
            notes.add(line(str(number)))
        await notes.close()
        assert await kept(store) == [str(number) for number in range(100)]
        assert store.calls.count("note") == 1
        notes.add(line("later"))
        await notes.close()
        assert (await kept(store))[-1] == "later"
        await store.close()

    asyncio.run(story())


def test_lines_beyond_the_limit_are_counted_and_the_count_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "HELD", 10)

    async def story() -> None:
        store = Faulty(await stores.connect(f"sqlite://{tmp_path}"))
        notes = Notes(store)
        for number in range(25):
            notes.add(line(str(number)))
        await notes.close()
        told = "15 lines were lost: the store could not keep them in time"
        assert await kept(store) == [*(str(number) for number in range(10)), told]
        await store.close()

    asyncio.run(story())


def test_lines_that_a_failing_store_lost_are_counted_and_the_failure_is_told_once(tmp_path, caplog):
    async def story() -> None:
        store = Faulty(await stores.connect(f"sqlite://{tmp_path}"))
        store.failures["note"] = [StoreError("database or disk is full")] * 2
        notes = Notes(store)
        for number in range(3):
            notes.add(line(str(number)))
            await notes.close()
        assert await kept(store) == ["2", "2 lines were lost: the store could not keep them in time"]
        await store.close()

    with caplog.at_level(logging.ERROR, "wflow.runner"):
        asyncio.run(story())
    assert caplog.messages == ["lines of the log are lost: database or disk is full"]


def test_closing_without_lines_is_nothing(tmp_path):
    async def story() -> None:
        store = Faulty(await stores.connect(f"sqlite://{tmp_path}"))
        await Notes(store).close()
        assert store.calls == []
        await store.close()

    asyncio.run(story())
