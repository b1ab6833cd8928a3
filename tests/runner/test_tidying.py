from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.runner.stage import Faulty, meanwhile
from wflow import stores
from wflow.runner import tidying
from wflow.stores.store import Cell, New, Pressure

if TYPE_CHECKING:
    from wflow.stores.store import Store

AT = 1_795_348_800_000


class Behind(Faulty):
    """A store whose disk is as far behind as it is told."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.pressure = Pressure(jobs=0, bytes=0, share=0.0)

    def is_behind(self, share: float) -> None:
        self.pressure = Pressure(jobs=0, bytes=0, share=share)


async def over(store: Store, count: int) -> None:
    """Have so many instances that are over, and not to be kept."""
    new = [
        New(
            workflow="orders",
            id=f"i{number}",
            version="v1",
            params=b"\xc0",
            at=AT,
            trigger="api",
            error_retention_ms=0,
        )
        for number in range(count)
    ]
    for key in await store.create(new):
        assert key is not None
        await store.move(key, "terminate", now=AT)


def test_what_is_over_goes_in_pieces_and_whoever_writes_gets_between_two_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tidying, "RETIRED", 10)

    async def story() -> None:
        store: Any = Behind(await stores.connect(f"sqlite://{tmp_path}"))
        await over(store, 25)
        store.calls.clear()

        async def write() -> None:
            for number in range(20):
                await store.write([Cell(space="s", key=str(number), value=b"")])
                await asyncio.sleep(0.001)

        writing = asyncio.create_task(write())
        await tidying.retire(store, lambda: AT + 1)
        await writing
        assert await store.find("orders") == []
        deletions = [n for n, call in enumerate(store.calls) if call == "retire"]
        assert len(deletions) == 3
        assert all("write" in store.calls[a:b] for a, b in pairwise(deletions))
        await store.close()

    asyncio.run(story())


def test_nothing_is_deleted_while_the_disk_is_behind(tmp_path):
    async def story() -> None:
        store: Any = Behind(await stores.connect(f"sqlite://{tmp_path}"))
        await over(store, 3)
        store.is_behind(tidying.BEHIND)
        retiring = asyncio.create_task(tidying.retire(store, lambda: AT + 1))
        await meanwhile(0.05)
        assert "retire" not in store.calls
        store.is_behind(0.0)
        await retiring
        assert await store.find("orders") == []
        await store.close()

    asyncio.run(story())


def test_cells_and_lines_go_when_their_time_is_over_and_no_others(tmp_path):
    async def story() -> None:
        store: Any = Behind(await stores.connect(f"sqlite://{tmp_path}"))
        await store.write(
            [Cell(space="s", key="old", value=b"", expires_at=AT), Cell(space="s", key="new", value=b"")]
        )
        await tidying.trim(store, lambda: AT + 1)
        assert set(await store.read("s", ["old", "new"], now=AT - 1)) == {"new"}
        assert [call for call in store.calls if call in {"trim", "expire"}] == ["trim", "expire"]
        await store.close()

    asyncio.run(story())
