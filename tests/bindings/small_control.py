"""A runner's operations on instances over a real store, and the link between a stub and its provider."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from wflow import stores
from wflow.engine import facts, names, values
from wflow.engine.changes import Ended
from wflow.engine.facts import Moved
from wflow.errors import InstanceNotFound, InvalidInput, WflowError, WorkflowNotFound
from wflow.runtime.failures import error_of, failure_of
from wflow.stores.store import Batch, Instance, New, Store
from wflow.wire.types import Made, Wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from wflow.engine.outcome import Failure

NOON = 1_795_348_800_000


class SmallControl:
    """See `wflow.bindings.control.Control`; its clock is moved by the test."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids = itertools.count(1)
        self.at = NOON

    @property
    def store(self) -> Store:
        return self._store

    def now(self) -> int:
        return self.at

    async def create(self, workflow: str, wanted: Sequence[Wanted], *, trigger: str) -> list[Made]:
        if workflow != "orders":
            raise WorkflowNotFound(f"there is no workflow {workflow!r}")
        ids = [f"made-{next(self._ids)}" if one.id is None else names.instance_id(one.id) for one in wanted]
        new = [
            New(workflow=workflow, id=id_, version="v1", params=one.params, at=self.at, trigger=trigger)
            for id_, one in zip(ids, wanted, strict=True)
        ]
        keys = await self._store.create(new)
        return [
            Made(id=id_, created=key is not None, version="v1") for id_, key in zip(ids, keys, strict=True)
        ]

    async def get(self, workflow: str, id_: str) -> Instance:
        found = await self._store.find_one(workflow, id_)
        if found is None:
            raise InstanceNotFound(f"instance.not_found: {id_}")
        return found

    async def send_event(self, workflow: str, id_: str, type_: str, payload: bytes) -> None:
        instance = await self.get(workflow, id_)
        await self._store.deliver(instance.key, type_, payload, now=self.at)

    async def steer(self, workflow: str, id_: str, verb: str) -> Instance:
        if verb != "terminate":
            raise InvalidInput(f"instances cannot be told to {verb!r}")
        return await self._store.move((await self.get(workflow, id_)).key, verb, now=self.at)

    async def finish(self, id_: str, output: object = None, failure: Failure | None = None) -> None:
        """Let an instance come to its end, as its runtime would."""
        instance = await self.get("orders", id_)
        claims = await self._store.claim({"orders": 100}, owner="test", now=self.at)
        claim = next(claim for claim in claims if claim.key == instance.key)
        status = "complete" if failure is None else "errored"
        moved = Moved(status, self.at)
        row = (claim.key, 1, facts.MOVED, self.at, facts.encode(moved))
        output_raw = values.encode(output) if failure is None else None
        change = Ended(claim.key, self.at, status, output_raw, failure)
        refused = await self._store.append(
            Batch(claims=[(claim.key, claim.epoch)], rows=[row], changes=[change])
        )
        assert refused == []


def link(module: Any, control: SmallControl, target: str) -> Any:
    """Make a stub whose calls go through everything that the link does to them."""

    async def send(method: str, arguments: list[object]) -> object:
        given = values.decode(values.encode(arguments, limit=2**30))
        try:
            value = await module.serve(control, target, method, given)
        except WflowError as refused:
            kept = msgspec.msgpack.encode(failure_of(refused))
            raise error_of(msgspec.msgpack.decode(kept, type=type(failure_of(refused)))) from None
        return values.decode(values.encode(value, limit=2**30))

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
