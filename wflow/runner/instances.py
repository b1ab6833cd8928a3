"""The operations on instances, checked at the door, durable when they return."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from wflow.engine import names
from wflow.errors import InstanceNotFound, InvalidInput
from wflow.link import frames
from wflow.runtime import clock
from wflow.stores.store import New
from wflow.wire.types import Made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.runner.admission import Admission
    from wflow.runner.fleet import Fleet
    from wflow.runner.registry import Registry
    from wflow.stores.store import Instance, Store
    from wflow.wire.types import Wanted

VERBS = ("terminate",)
"""What `steer` can do so far."""


class Instances:
    """See `wflow.bindings.control.Control` for what each method promises."""

    def __init__(self, store: Store, registry: Registry) -> None:
        """Work on ``store``; `attach` adds what runs instances."""
        self._store = store
        self._registry = registry
        self._admission: Admission | None = None
        self._fleet: Fleet | None = None

    def attach(self, admission: Admission, fleet: Fleet) -> None:
        """Tell these of what changes."""
        self._admission = admission
        self._fleet = fleet

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        return self._store

    def now(self) -> int:
        """Tell the time."""
        return clock.now()

    async def create(self, workflow: str, wanted: Sequence[Wanted], *, trigger: str) -> list[Made]:
        """Create instances, and have them run as there are slots."""
        registered = self._registry.declared(workflow)
        at = self.now()
        ids = [secrets.token_hex(16) if one.id is None else names.instance_id(one.id) for one in wanted]
        new = [
            New(
                workflow=workflow,
                id=id_,
                version=registered.version,
                params=one.params,
                at=at,
                trigger=trigger,
            )
            for id_, one in zip(ids, wanted, strict=True)
        ]
        keys = await self._store.create(new)
        if self._admission is not None:
            self._admission.wake(workflow)
        return [
            Made(id=id_, created=key is not None, version=registered.version)
            for id_, key in zip(ids, keys, strict=True)
        ]

    async def get(self, workflow: str, id_: str) -> Instance:
        """Get an instance."""
        self._registry.workflow(workflow)
        found = await self._store.find_one(workflow, id_)
        if found is None:
            raise InstanceNotFound(f"instance.not_found: workflow {workflow!r} has no instance {id_!r}")
        return found

    async def send_event(self, workflow: str, id_: str, type_: str, payload: bytes) -> None:
        """Send an event."""
        names.event_type(type_)
        instance = await self.get(workflow, id_)
        delivery = await self._store.deliver(instance.key, type_, payload, now=self.now())
        peer = self._fleet.holder(instance.key) if self._fleet and delivery.claimed else None
        if peer is not None:
            peer.send(frames.Deliver(instance.key, delivery.event))
        elif self._admission is not None:
            self._admission.arrived(instance.key, delivery.event)
            self._admission.wake(workflow)

    async def steer(self, workflow: str, id_: str, verb: str) -> Instance:
        """Terminate an instance."""
        if verb not in VERBS:
            raise InvalidInput(
                f"instances cannot be told to {verb!r} yet; they can be told to {', '.join(VERBS)}"
            )
        instance = await self.get(workflow, id_)
        moved = await self._store.move(instance.key, verb, now=self.now())
        if self._fleet is not None:
            self._fleet.drop(instance.key)
        return moved
