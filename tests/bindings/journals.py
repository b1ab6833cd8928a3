"""Instances of the workflow `orders` in a real store, whose journals say what a test wants them to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wflow import stores
from wflow.engine import facts, values
from wflow.engine.changes import Ended
from wflow.engine.facts import Moved
from wflow.engine.status import ENDED
from wflow.errors import InstanceNotFound
from wflow.runner.feed import Feed
from wflow.stores.store import Batch, New

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from pathlib import Path

    from wflow.engine.facts import Fact
    from wflow.stores.store import Claim, Instance, Store

NOON = 1_795_348_800_000


class Journals:
    """The part of a `Control` that reading events takes, and the hand that writes the journals."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.feed = Feed(0)
        self.reads = 0
        self.waited_for = asyncio.Event()
        store.on_commit(self.feed.tell)
        self._claims: dict[str, tuple[Claim, int]] = {}

    def effects(self, call: object) -> None:
        """No step calls."""

    def now(self) -> int:
        return NOON

    async def get(self, workflow: str, id_: str) -> Instance:
        found = await self.store.find_one(workflow, id_)
        if found is None:
            raise InstanceNotFound(f"instance.not_found: {id_}")
        return found

    async def changed(self, after: int) -> int | None:
        self.reads += 1
        self.waited_for.set()
        return await self.feed.changed(after)

    async def create(self, id_: str, params: object = None) -> Instance:
        raw = values.encode(params)
        await self.store.create([New(workflow="orders", id=id_, version="v1", params=raw, at=NOON)])
        return await self.get("orders", id_)

    async def say(self, id_: str, *journal: Fact, output: object = None) -> None:
        """Append facts; one that ends the instance ends it."""
        claim, seq = await self._claim(id_)
        rows = [
            (claim.key, seq + number, facts.tag(fact), fact.at, facts.encode(fact))
            for number, fact in enumerate(journal, 1)
        ]
        last = journal[-1]
        changes = []
        if isinstance(last, Moved) and last.status in ENDED:
            raw = values.encode(output) if last.status == "complete" else None
            changes.append(Ended(claim.key, last.at, last.status, raw, last.failure))
            del self._claims[id_]
        else:
            self._claims[id_] = claim, seq + len(rows)
        batch = Batch(claims=[(claim.key, claim.epoch)], rows=rows, changes=changes)
        assert (await self.store.append(batch)).refused == []

    async def restart(
        self, id_: str, cut: Callable[[Sequence[tuple[int, Fact]]], Collection[int]] | None = None
    ) -> None:
        self._claims.pop(id_, None)
        key = (await self.get("orders", id_)).key
        await self.store.restart(key, version="v2", seed=b"", now=NOON, cut=cut)

    async def delete(self, id_: str) -> None:
        self._claims.pop(id_, None)
        await self.store.delete([(await self.get("orders", id_)).key], now=NOON)

    async def _claim(self, id_: str) -> tuple[Claim, int]:
        if id_ not in self._claims:
            for claim in await self.store.claim({"orders": 100}, owner="test", now=NOON):
                self._claims[claim.id] = claim, claim.seq
        return self._claims[id_]


def with_journals(folder: Path, story: Callable[[Journals], Awaitable[None]]) -> None:
    """Run a story on a store of its own."""

    async def perform() -> None:
        store = await stores.connect(f"sqlite://{folder}/state")
        try:
            await story(Journals(store))
        finally:
            await store.close()

    asyncio.run(perform())
