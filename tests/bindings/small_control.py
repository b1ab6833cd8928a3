"""A runner's operations on instances over a real store, and the link between a stub and its provider."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from tests.runner.stage import build, entry
from wflow import stores
from wflow.bindings.binding import Called, Raised
from wflow.engine import facts, values
from wflow.engine.changes import Ended
from wflow.engine.facts import Moved
from wflow.engine.outcome import Failure
from wflow.errors import WflowError
from wflow.runner.feed import Feed
from wflow.runner.held import Holding
from wflow.runner.instances import Instances
from wflow.runner.registry import Registry
from wflow.runtime.failures import error_of, failure_of
from wflow.stores.store import Batch, Claim, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from wflow.engine.changes import Change
    from wflow.engine.facts import Fact
    from wflow.engine.outcome import RolledBack

NOON = 1_795_348_800_000


class SmallControl(Instances):
    """The workflows `orders` and `returns`; nothing runs them but the test, which moves the clock as well.

    ``caller`` is the key of the instance whose code calls, if that is what the test wants; ``calling`` says
    it all, as `Called` has it.
    """

    def __init__(self, store: Store) -> None:
        registry = Registry()
        registry.activate(build(entry("orders"), entry("returns"), version="v1", at=NOON))
        self.registry = registry
        self.feed = Feed(0)
        super().__init__(store, registry, self.feed)
        store.on_commit(self.feed.tell)
        self.at = NOON
        self.woken: list[str] = []
        self.caller: int | None = None
        self.calling: dict[str, Any] = {}
        self.holding = Holding(store, self.woken.append)
        self._claims: list[Claim] = []

    def now(self) -> int:
        return self.at

    def effects(self, call: Called) -> Any:
        return self.holding.of(call)

    async def claim(self, id_: str, workflow: str = "orders") -> Claim:
        """Take an instance, as a runtime would get it."""
        self._claims += await self._store.claim({workflow: 100}, owner="test", now=self.at)
        key = (await self.get(workflow, id_)).key
        return next(claim for claim in reversed(self._claims) if claim.key == key)

    async def say(self, claim: Claim, *told: Fact, change: Change | None = None) -> None:
        """Let an instance say something, as its runtime would; its first fact follows the claim's last."""
        rows = [
            (claim.key, seq, facts.tag(fact), self.at, facts.encode(fact))
            for seq, fact in enumerate(told, claim.seq + 1)
        ]
        changes = [] if change is None else [change]
        batch = Batch(claims=[(claim.key, claim.epoch)], rows=rows, changes=changes)
        assert (await self._store.append(batch)).refused == []

    async def finish(
        self,
        id_: str,
        output: object = None,
        failure: Failure | None = None,
        *,
        rollback: RolledBack | None = None,
    ) -> None:
        """Let an instance come to its end, as its runtime would."""
        claim = await self.claim(id_)
        status = "complete" if failure is None else "errored"
        raw = values.encode(output) if failure is None else None
        change = Ended(claim.key, self.at, status, raw, failure, rollback)
        await self.say(claim, Moved(status, self.at), change=change)


def link(module: Any, control: SmallControl, target: str) -> Any:
    """Make a stub whose calls go through everything that the link does to them."""

    async def send(method: str, arguments: list[object]) -> object:
        given: Any = values.decode(values.encode(arguments, limit=2**30))
        try:
            where = control.calling or {"instance": control.caller}
            call = Called(method=method, arguments=given, **where)
            value = await module.serve(control, target, call)
        except WflowError as refused:
            failure = failure_of(refused)
        except Raised as raised:
            failure = raised.failure
        else:
            return values.decode(values.encode(value, limit=2**30))
        raise error_of(msgspec.msgpack.decode(msgspec.msgpack.encode(failure), type=Failure))

    return module.stub(send)


def with_control(folder: Path, story: Callable[[SmallControl], Awaitable[None]]) -> None:
    """Run a story on a store of its own."""

    async def perform() -> None:
        store = await stores.connect(f"sqlite://{folder}/state")
        try:
            await story(SmallControl(store))
        finally:
            await store.close()

    asyncio.run(perform())
