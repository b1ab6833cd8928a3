"""A store with one workflow, `shop`, and short words for what is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflow import stores
from wflow.engine import facts
from wflow.engine.changes import Ended, Held, Rested, Rolling
from wflow.engine.facts import Logged, Received
from wflow.engine.outcome import Failure
from wflow.stores.store import Batch, New

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.engine.changes import Change, Row
    from wflow.engine.facts import Fact
    from wflow.stores.store import Appended, Claim, Instance, Record, Store

FAILURE = Failure("Boom", "it went off")


class Shop:
    """Made with the address of a store; ``store`` is it, while it is open."""

    store: Store

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self) -> None:
        self.store = await stores.connect(self.url)

    async def close(self) -> None:
        await self.store.close()

    async def reopen(self) -> None:
        """Do what a restart of the process does."""
        await self.close()
        await self.open()

    async def create(self, *ids: str, workflow: str = "shop", at: int = 1, **more: Any) -> list[int]:
        """Create instances and give their keys."""
        keys = await self.store.create([new(id_, workflow=workflow, at=at, **more) for id_ in ids])
        assert None not in keys
        return [key for key in keys if key is not None]

    async def claim(
        self, count: int = 100, *, now: int = 10, workflow: str = "shop", **bounds: Any
    ) -> list[Claim]:
        """Claim instances of one workflow."""
        return await self.store.claim({workflow: count}, owner="me", now=now, **bounds)

    async def claimed(self, id_: str = "a", *, now: int = 10, **more: Any) -> Claim:
        """Create an instance and claim it."""
        (key,) = await self.create(id_, **more)
        return next(claim for claim in await self.claim(now=now) if claim.key == key)

    async def append(
        self, claim: Claim, *said: Fact, changes: Sequence[Change] = (), after: int | None = None
    ) -> Appended:
        """Append facts, and changes, under a claim, from beyond the seq where its journal ends."""
        rows = numbered(claim.key, said, after=claim.seq if after is None else after)
        received = [fact.event for fact in said if isinstance(fact, Received)]
        batch = Batch(claims=[(claim.key, claim.epoch)], rows=rows, changes=changes, received=received)
        return await self.store.append(batch)

    async def say(
        self,
        claim: Claim,
        *said: Fact,
        change: Change | None = None,
        after: int | None = None,
    ) -> list[int]:
        """Append facts, and a change; give what was refused."""
        changes = [] if change is None else [change]
        return (await self.append(claim, *said, changes=changes, after=after)).refused

    async def rest(self, claim: Claim, wake_at: int, *awaits: str, at: int = 20) -> list[int]:
        return await self.say(claim, change=Rested(claim.key, at, wake_at, list(awaits)))

    async def end(self, claim: Claim, status: str = "complete", *, at: int = 20) -> list[int]:
        return await self.say(claim, change=Ended(claim.key, at, status, b"out"))

    async def hold(self, claim: Claim, *, at: int = 20) -> list[int]:
        return await self.say(claim, change=Held(claim.key, at, FAILURE))

    async def roll(self, claim: Claim, *, at: int = 20) -> list[int]:
        return await self.say(claim, change=Rolling(claim.key, at, FAILURE))

    async def get(self, id_: str, *, workflow: str = "shop") -> Instance:
        found = await self.store.find_one(workflow, id_)
        assert found is not None
        return found

    async def status(self, id_: str) -> str:
        return (await self.get(id_)).status

    async def facts(self, key: int) -> list[Fact]:
        """Read the journal of an instance."""
        return [facts.decode(record.body) for record in await self.store.journal(key)]

    async def events(self, key: int) -> list[tuple[int, str]]:
        """List the events that an instance has not received, by number and type."""
        past = (await self.store.load({key: 0}))[key]
        return [(event.event, event.type) for event in past.events]


def new(id_: str, *, workflow: str = "shop", at: int = 1, **more: Any) -> New:
    return New(workflow=workflow, id=id_, version="v1", params=b"\xc0", at=at, **more)


def line(message: str, at: int = 15) -> Logged:
    """Make a fact that says something."""
    return Logged("info", message, at)


def numbered(key: int, said: tuple[Fact, ...], *, after: int) -> list[Row]:
    """Make rows of facts, numbered on from ``after``."""
    return [
        (key, seq, facts.tag(fact), fact.at, facts.encode(fact)) for seq, fact in enumerate(said, after + 1)
    ]


def ids(records: list[Record]) -> list[tuple[str | None, int]]:
    """Name records by the instance and the seq."""
    return [(record.id, record.seq) for record in records]
