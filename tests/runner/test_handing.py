"""How claims come to runtimes; what becomes of them otherwise is in the tests of admission."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.runner.stage import desk, entry, until
from wflow.engine import facts
from wflow.engine.changes import Rested
from wflow.runner import handing
from wflow.stores.store import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from tests.runner.stage import Desk
    from wflow.stores.store import Past, Store


class Counted:
    """A store that tells what was read at once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.loads: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def load(self, after: Mapping[int, int]) -> dict[int, Past]:
        pasts = await self.store.load(after)
        self.loads.append(sum(len(past.records) for past in pasts.values()))
        return pasts


def test_few_journals_are_read_at_once_and_of_one_that_is_longer_all(tmp_path, monkeypatch):
    monkeypatch.setattr(handing, "RECORDS", 25)

    async def story() -> None:
        async with desk(tmp_path, through=Counted) as on:
            on.declare(entry("orders"))
            for number in range(9):
                await played(on, f"o{number}", records=10)
            await played(on, "long", records=40)
            on.control.at += 120_000
            on.start()
            await until(lambda: len(on.fleet.turns) == 10, "all of them to be handed out")
            store: Any = on.store
            assert sorted(store.loads) == [10, 20, 20, 20, 20, 40]
            peer = on.fleet.peers["v1"]
            assert sorted(len(turn.records or ()) for turn in peer.turns) == [*[10] * 9, 40]

    asyncio.run(story())


def test_nothing_is_read_for_a_runtime_that_does_not_listen(tmp_path, monkeypatch: pytest.MonkeyPatch):
    async def story() -> None:
        async with desk(tmp_path, through=Counted) as on:
            on.declare(entry("orders"))
            await played(on, "a", records=3)
            peer, listens = await on.fleet.peer("v1"), asyncio.Event()
            monkeypatch.setattr(peer, "listening", listens.wait)
            on.control.at += 120_000
            on.start()
            await until(lambda: on.admission.running == 1, "it to be claimed")
            store: Any = on.store
            assert not store.loads
            listens.set()
            await until(lambda: on.fleet.turns == ["a"], "it to be handed out")
            assert store.loads == [3]

    asyncio.run(story())


async def played(on: Desk, id_: str, *, records: int) -> None:
    """Have an instance that has so many records and is due."""
    await on.create("orders", id_)
    now = on.control.at
    # Nobody else is due yet: those before it rest for a while.
    (claim,) = await on.store.claim({"orders": 1}, owner="t", now=now)
    line = facts.encode(facts.Logged("info", "hello", now))
    rows = [(claim.key, seq, facts.LOGGED, now, line) for seq in range(1, records + 1)]
    rested = Rested(claim.key, now, now + 60_000, [])
    await on.store.append(Batch(claims=[(claim.key, claim.epoch)], rows=rows, changes=[rested]))
