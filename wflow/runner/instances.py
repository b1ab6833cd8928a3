"""The operations on instances, checked at the door, durable when they return."""

from __future__ import annotations

import contextlib
import math
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import facts, names, restart, status, values
from wflow.engine.divergence import Divergence
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.errors import InstanceEnded, InstanceNotFound, InvalidInput, TooMany, WrongMove
from wflow.runner import creations, keyed
from wflow.runner.rates import Buckets
from wflow.runner.services import Services
from wflow.runtime import clock
from wflow.stores.store import New
from wflow.wire import rates
from wflow.wire import wanted as options
from wflow.wire.types import Made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.binding import Called
    from wflow.bindings.effects import Held
    from wflow.databases import Databases
    from wflow.runner.admission import Admission
    from wflow.runner.feed import Feed
    from wflow.runner.fleet import Fleet
    from wflow.runner.registry import Registry
    from wflow.stores.store import Delivery, Instance, Moving, Store
    from wflow.wire.types import Registered, Start, Wanted

SEED_BYTES: Final = 16
"""What an instance's chance comes from."""

_REQUESTS: Final = {"cancel": CANCEL, "rollBack": ROLL_BACK}
_ACCEPT: Final = "accept"
CRON: Final = "cron"
"""What asked for the instances that a schedule creates."""
_BINDING: Final = "binding"
_VERBS: Final = ("pause", "resume", _ACCEPT, "terminate", *_REQUESTS)
_PAGE: Final = 200
"""Facts of a journal read at once: each may hold a value of a MiB."""
_TIME_BYTES: Final = 6
_ID_BYTES: Final = 10
"""The chance in an id that nobody has chosen, after the time."""
_OVER: Final = "(instance.cannot_terminate) Cannot terminate instance since its on a finite state"


class Instances:
    """See `wflow.bindings.control.Control` for what each method promises."""

    def __init__(
        self, store: Store, registry: Registry, feed: Feed, databases: Databases | None = None
    ) -> None:
        """Work on ``store``; `attach` adds what runs instances."""
        self._store = store
        self._databases = databases
        self._registry = registry
        self._feed = feed
        self._admission: Admission | None = None
        self._fleet: Fleet | None = None
        self._services: Services | None = None
        self._rates = Buckets()
        self._secret = secrets.token_bytes(32)
        self._creations = creations.Secret(store)
        self._draws = 0

    def attach(self, admission: Admission, fleet: Fleet) -> None:
        """Tell these of what changes."""
        self._admission = admission
        self._fleet = fleet
        self._services = Services(self._registry, fleet)

    @property
    def services(self) -> Services:
        """The Workers, for each other."""
        if self._services is None:
            raise InvalidInput("there are no Workers here")
        return self._services

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        return self._store

    @property
    def databases(self) -> Databases:
        """The D1 databases."""
        if self._databases is None:
            raise InvalidInput("there are no databases here")
        return self._databases

    def now(self) -> int:
        """Tell the time."""
        return clock.now()

    def effects(self, call: Called) -> Held | None:
        """Give what the step that calls has done so far."""
        return None if self._fleet is None else self._fleet.held.of(call)

    async def create(
        self, workflow: str, wanted: Sequence[Wanted], *, trigger: str, held: Held | None = None
    ) -> list[Made]:
        """Create instances, and have them run as there are slots; or hold them for a step."""
        # A version that the live one has replaced goes on with all that it has, a retired workflow too.
        find = self._registry.workflow if trigger == _BINDING else self._registry.declared
        registered = find(workflow)
        if held is not None:
            return await self._hold(registered, wanted, trigger, held)
        new = self._new(registered, wanted, trigger)
        self._ration(registered, new)
        keys = await self._store.create(new)
        self._wake(workflow)
        return [
            Made(id=one.id, created=key is not None, version=one.version)
            for one, key in zip(new, keys, strict=True)
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
        self._deliver([await self._store.deliver(instance.key, type_, payload, now=self.now())])

    async def steer(self, workflow: str, id_: str, verb: str) -> Instance:
        """Tell an instance to pause, resume, cancel, terminate or roll back."""
        if verb not in _VERBS:
            raise InvalidInput(
                f"instances cannot be told to {verb!r}; they can be told to {', '.join(_VERBS)}"
            )
        instance = await self.get(workflow, id_)
        if verb in _REQUESTS:
            return await self._ask(instance, _REQUESTS[verb])
        if verb == _ACCEPT:
            return await self._accept(instance)
        try:
            return self._moved(await self._store.move(instance.key, verb, now=self.now()))
        except WrongMove:
            if verb == "terminate":
                raise InstanceEnded(_OVER) from None
            return await self.get(workflow, id_)

    async def restart(self, workflow: str, id_: str, start: Start | None = None) -> Instance:
        """Run an instance anew, from its beginning or from a step."""
        instance = await self.get(workflow, id_)
        moving = await self._store.restart(
            instance.key,
            version=self._registry.version_of(self._registry.workflow(workflow), instance.id),
            seed=secrets.token_bytes(SEED_BYTES),
            now=self.now(),
            cut=None if start is None else restart.cut(start.name, start.count, start.type),
        )
        return self._moved(moving)

    async def delete(self, workflow: str, ids: Sequence[str]) -> set[str]:
        """Delete instances."""
        self._registry.workflow(workflow)
        found = [await self._store.find_one(workflow, id_) for id_ in dict.fromkeys(ids)]
        there = [instance for instance in found if instance is not None]
        deliveries = await self._store.delete([instance.key for instance in there], now=self.now())
        if self._fleet is not None:
            for instance in there:
                self._fleet.drop(instance.key)
        self._deliver(deliveries)
        return {instance.id for instance in there}

    async def changed(self, after: int) -> int | None:
        """Wait for records."""
        return await self._feed.changed(after)

    async def _hold(
        self, registered: Registered, wanted: Sequence[Wanted], trigger: str, held: Held
    ) -> list[Made]:
        """Hold what a step creates. What an attempt before has made already is the step's own."""
        named = [creations.named(held, one) for one in wanted]
        secret = await self._creations.get()
        new = [
            msgspec.structs.replace(one, seed=creations.seed(secret, held.key, one.id))
            for one in self._new(registered, named, trigger)
        ]
        there = [await self._store.find_one(registered.name, one.id) for one in new]
        queued = (await self._store.counts(registered.name)).get(status.QUEUED, 0)
        if queued + len(new) > names.QUEUED:
            problem = f"workflow {registered.name!r} has {queued:,} queued instances"
            raise TooMany(f"{problem}; the limit is {names.QUEUED:,}")
        ours: dict[bool, list[New]] = {True: [], False: []}
        made = []
        for one, found in zip(new, there, strict=True):
            is_ours = not held.made(one.workflow, one.id) and (found is None or found.seed == one.seed)
            if is_ours:
                ours[found is None].append(one)
            version = one.version if found is None else found.version
            made.append(Made(id=one.id, created=is_ours, version=version))
        self._ration(registered, ours[True])
        held.create(ours[True], there=ours[False])
        return made

    def _ration(self, registered: Registered, new: Sequence[New]) -> None:
        """Refuse what comes faster than the workflow lets it; children count, and are not refused."""
        if registered.creation_rate is None:
            return
        bucket = self._rates.of(registered.name, registered.creation_rate, self.now())
        asked = sum(one.parent is None for one in new)
        wait_ms = bucket.wait_ms(asked, self.now()) if asked else 0
        if wait_ms:
            seconds = math.ceil(wait_ms / 1000)
            most = rates.shown(registered.creation_rate)
            raise TooMany(
                f"workflow {registered.name!r} takes {most} new instances; try again in {seconds} s",
                hint="`limits.creations` in wflow.toml says how many it takes",
                retry_after_s=seconds,
            )
        bucket.take(len(new), self.now())

    def _new(self, registered: Registered, wanted: Sequence[Wanted], trigger: str) -> list[New]:
        """Check what is wanted, fill in what is not said, and choose the versions to run to the end."""
        at = self.now()
        # Ids begin with the time, as in UUIDs of version 7: what is created together lies together on disk.
        time = (at % 2 ** (8 * _TIME_BYTES)).to_bytes(_TIME_BYTES, "big")
        new = []
        for one in wanted:
            chance = self._drawn()
            id_ = (time + chance[:_ID_BYTES]).hex() if one.id is None else one.id
            if one.id is not None and trigger != CRON:  # a schedule's have spaces, and stars
                names.instance_id(one.id)
            version = self._registry.version_of(registered, id_)
            pinned = (id_, version, chance[_ID_BYTES:])
            new.append(_new(registered, one, at=at, trigger=trigger, pinned=pinned))
        return new

    def _drawn(self) -> bytes:
        """Draw an id and a seed.

        Asking the system each time takes longer than all the rest, and lets the store's thread go first.
        """
        self._draws += 1
        number = self._draws.to_bytes(8, "big")
        return blake2b(number, key=self._secret, digest_size=_ID_BYTES + SEED_BYTES).digest()

    async def _ask(self, instance: Instance, request: str) -> Instance:
        """Put a request into an instance's inbox; one that has not begun is terminated at once instead."""
        # Until that is clear it must not begin.
        async with self._admission.claiming if self._admission else contextlib.nullcontext():
            instance = await self.get(instance.workflow, instance.id)
            if instance.started_at is None and instance.status not in status.ENDED:
                return self._moved(await self._store.move(instance.key, "terminate", now=self.now()))
        try:
            delivery = await self._store.deliver(instance.key, request, values.NONE, now=self.now())
        except InstanceEnded:
            raise InstanceEnded(_OVER) from None
        self._deliver([delivery])
        return await self.get(instance.workflow, instance.id)

    async def _accept(self, instance: Instance) -> Instance:
        """Resume an instance with what is recorded of the step that it is held for set aside."""
        divergence = await self._divergence(instance)
        if divergence is None or divergence.recorded is None:
            raise WrongMove(
                f"(instance.cannot_accept) instance {instance.id!r} is not held for a contradiction between "
                "its code and its journal",
                hint="without `accept`, `resume` lets an instance go on that is paused",
            )
        key, kind = divergence.recorded.key, divergence.recorded.kind
        if divergence.cause == "kind":
            name, _, visit = key.rpartition("-")
            raise WrongMove(
                f"(instance.cannot_accept) step {key!r} is recorded as {kind}, and stays that",
                hint=f"mend the code, or restart with --from-step-name {name!r} --from-step-count {visit}",
            )
        accepted = {key: divergence.order}
        return self._moved(await self._store.move(instance.key, "resume", now=self.now(), accepted=accepted))

    async def _divergence(self, instance: Instance) -> Divergence | None:
        """Read what an instance is held for, off the last record of its status."""
        if instance.status != status.PAUSED:
            return None
        seq, last = 0, None
        while records := await self._store.journal(instance.key, after=seq, limit=_PAGE):
            last = next((record for record in reversed(records) if record.tag == facts.MOVED), last)
            seq = records[-1].seq or 0
        moved = None if last is None else facts.decode(last.body)
        told = moved.detail.get("divergence") if isinstance(moved, facts.Moved) else None
        return None if told is None else msgspec.convert(told, Divergence)

    def _moved(self, moving: Moving) -> Instance:
        """Tell whoever has an instance that it was moved."""
        instance = moving.instance
        if self._fleet is not None:
            if moving.held:
                self._fleet.steer(instance.key, pausing=instance.status == status.PAUSING)
            else:
                self._fleet.drop(instance.key)
        self._deliver(moving.deliveries)
        self._wake(instance.workflow)
        return instance

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        if self._fleet is not None:
            self._fleet.deliver(deliveries)

    def _wake(self, workflow: str) -> None:
        if self._admission is not None:
            self._admission.wake(workflow)


def _new(
    registered: Registered, wanted: Wanted, *, at: int, trigger: str, pinned: tuple[str, str, bytes]
) -> New:
    """Check what is wanted; ``pinned`` are its id, its version and its seed."""
    parent, way = wanted.parent, registered.concurrency_key
    id_, version, seed = pinned
    return New(
        workflow=registered.name,
        id=id_,
        version=version,
        params=wanted.params,
        at=at,
        trigger=trigger,
        seed=seed,
        tags=options.tags(wanted.tags) if wanted.tags else (),
        success_retention_ms=_kept_ms(wanted.success_retention_ms, registered.success_retention_ms),
        error_retention_ms=_kept_ms(wanted.error_retention_ms, registered.error_retention_ms),
        parent=None if parent is None else parent.key,
        awaited="" if parent is None else parent.awaited,
        follows=parent is not None and parent.follows,
        priority=options.priority(wanted.priority),
        concurrency_key=None if way is None else keyed.key(way, wanted.params),
    )


def _kept_ms(wanted: int | None, default: int) -> int:
    given = default if wanted is None else wanted
    if not 0 <= given <= names.RETENTION_MS_MAX:
        raise InvalidInput(
            f"a retention is 0 to 365 days ({names.RETENTION_MS_MAX} ms); got {names.shown(given)}"
        )
    return given
