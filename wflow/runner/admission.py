"""Admission: who may run. Slots are counted from live claims; due instances go first, then queued ones.

What bounds a claim: the workflow's limit, and the runner's ceiling, shared max-min; how many turns its
runtimes have not begun yet, so that nobody waits behind a crowd; its start rate; what waits to be written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.runner.beginnings import STUCK_MS, Beginnings
from wflow.runner.fleet import GOODBYE_S
from wflow.runner.handing import Handing, shown
from wflow.runner.journeys import Journeys, Reservations
from wflow.runner.rates import Buckets
from wflow.runner.releases import give_back
from wflow.runner.shares import Ask, share, share_but
from wflow.runner.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from wflow.bindings.control import Control
    from wflow.engine.facts import Received
    from wflow.runner.fleet import Fleet
    from wflow.runner.journeys import Journey, Reservation
    from wflow.runner.rates import Bucket
    from wflow.runner.registry import Registry
    from wflow.runner.releases import Held
    from wflow.stores.store import Claim
    from wflow.wire.types import Registered

BATCH: Final = 128
"""Claims of one workflow at a time, so that the first turn begins while the rest is claimed."""
RESERVE: Final = 64
"""Slots beside the ceiling's that only workflows get which have less than an even share."""
LONGEST_S: Final = 60.0
"""The longest wait without a look at the store, whatever was heard."""
STORE_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
PRESSED: Final = 0.5
"""How much of what may wait to be written does so when claims stop; `create` is refused only at all of it."""
PRESSED_MS: Final = 20
"""When a store that had too much to write is looked at again."""
RATE_MS: Final = 50
"""A start rate lets so much time's worth through at once: not each instance has a claim of its own."""


class Admission:
    """Claims instances as slots are free and hands them to the fleet; whoever knows tells it when to look."""

    def __init__(self, control: Control, registry: Registry, *, ceiling: int = names.RUNNING) -> None:
        """Bound what runs at once on this runner to ``ceiling``, and RESERVE; `run` does the work."""
        self.claiming = asyncio.Lock()
        """While somebody has it, nothing is claimed."""
        self._control = control
        self._registry = registry
        self._ceiling = ceiling
        self._slots = Slots()
        self._rates = Buckets()
        self._served: dict[str, int] = {}
        self._rounds = 0
        self._waits_ms: list[int] = []
        self._looking: set[str] = set()
        self._crowded: set[str] = set()
        self._later: dict[str, int] = {}
        self._next_due: int | None = None
        self._at = 0
        self._asked = False
        self._unasked: set[str] = set()
        self._signal = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._journeys = Journeys()
        self._beginnings = Beginnings(asyncio.get_running_loop().time, self._signal_if_looking)
        self._handing = Handing(control, registry, self._journeys, self._beginnings, ends=self)
        self._reservations = Reservations(self._handing.give_back)
        self._taking: asyncio.Task[list[Journey]] | None = None

    @property
    def running(self) -> int:
        """How many claims live."""
        return len(self._slots)

    def freed(self, claim: Held) -> None:
        """Hear that a claim ended."""
        self._slots.free(claim)
        registered = self._registry.find(claim.workflow)
        if registered is not None and registered.per_key is not None:
            self._looking.add(claim.workflow)  # another one of its key may go
        if not self._looking <= self._crowded:
            # A slot helps nobody whose runtimes have more than enough to begin: they tell when they have not.
            self._signal.set()

    def due(self, workflow: str, at: int) -> None:
        """Hear that an instance of a workflow wants to go on at an instant."""
        if at <= self._control.now():
            self.wake(workflow)
        elif self._next_due is None or at < self._next_due:
            self._next_due = at
            self._signal.set()

    def wake(self, workflow: str | None = None) -> None:
        """Look at a workflow, or at all: something may be ready."""
        if workflow is None:
            self._looking.update(one.name for one in self._registry.workflows())
        else:
            self._looking.add(workflow)
        self._signal.set()

    def mended(self, version: str) -> None:
        """Hear that a version can be loaded: what waited for that goes on."""
        self._handing.mended(version)
        self.wake()

    def arrived(self, instance: int, event: Received) -> None:
        """Hear of an event for an instance that is claimed; one on its way to a runtime takes it along."""
        self._journeys.arrived(instance, event)

    def steered(self, instance: int, *, pausing: bool) -> None:
        """Hear that an instance that is claimed is to pause or not; one on its way arrives knowing it."""
        self._journeys.steered(instance, pausing=pausing)

    def recalled(self, instance: int) -> None:
        """Hear that an instance's claim is over; one on its way to a runtime does not get there."""
        self._journeys.recalled(instance)

    def under_way(self, instance: int) -> bool:
        """Tell whether an instance is claimed and no runtime has it yet."""
        return instance in self._journeys

    def reserving(self, instance: int) -> AbstractAsyncContextManager[Reservation]:
        """Have whatever is claimed of an instance meanwhile, instead of a runtime; one at a time can."""
        return self._reservations.reserving(instance)

    async def run(self, fleet: Fleet) -> None:
        """Claim and hand out until cancelled."""
        failures = 0
        self.wake()
        while True:
            try:
                await self._round(fleet)
                failures = 0
            except Exception as broken:  # noqa: BLE001 - without this loop nothing would ever run again
                if failures == 0:
                    fleet.tell("error", f"instances cannot be claimed: {shown(broken)}")
                await asyncio.sleep(STORE_BACKOFF_S[min(failures, len(STORE_BACKOFF_S) - 1)])
                failures += 1
                self.wake()

    async def close(self) -> None:
        """Give back what is on its way, when `run` has ended."""
        if self._taking is not None:
            done, _ = await asyncio.wait([self._taking], timeout=GOODBYE_S)
            for task in done:
                task.exception()  # nobody is left to hear of it
        for under_way in self._tasks:
            under_way.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Else the next runner would take it that whoever held them has died over them.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await give_back(self._control.store, self._journeys.claims(), self._control.now())

    def _signal_if_looking(self) -> None:
        if self._looking:
            self._signal.set()

    async def _round(self, fleet: Fleet) -> None:
        wanted = self._wanted(fleet)
        if not wanted:
            await self._wait()
            return
        self._signal.clear()
        self._looking.difference_update(wanted)
        # Whoever ends this loop ends the wait for it; what is claimed is known all the same.
        self._taking = asyncio.get_running_loop().create_task(self._take(wanted))
        taken = await asyncio.shield(self._taking)
        by_version: dict[str, list[Journey]] = {}
        for journey in taken:
            if not self._reservations.caught(journey):
                by_version.setdefault(journey.claim.version, []).append(journey)
        for version, each in by_version.items():
            task = asyncio.get_running_loop().create_task(self._handing.hand_out(fleet, version, each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._looking and not self._asked:
            await self._ask()

    async def _take(self, wanted: Mapping[str, int]) -> list[Journey]:
        async with self.claiming:
            found = {name: one for name in wanted if (one := self._registry.find(name)) is not None}
            now = self._control.now()
            new = {name: bucket.room(now) for name, one in found.items() if (bucket := self._bucket(one))}
            per_key = {name: one.per_key for name, one in found.items() if one.per_key is not None}
            claims = await self._control.store.claim(
                wanted, owner="runner", now=now, new=new, per_key=per_key
            )
            self._slots.take(claims)
            self._look_again(wanted, new, claims)
            return self._journeys.set_out(claims)

    def _look_again(self, wanted: Mapping[str, int], new: Mapping[str, int], claims: Sequence[Claim]) -> None:
        """Look again at who gave all that was asked for, and may have more."""
        counts = Counter(claim.workflow for claim in claims)
        queued = Counter(claim.workflow for claim in claims if claim.queued)
        self._looking.update(name for name, count in wanted.items() if counts[name] >= count)
        if self._unasked & (wanted.keys() - self._looking):
            self._asked = False
        now = self._control.now()
        for name, allowed in new.items():
            found = self._registry.find(name)
            bucket = None if found is None else self._bucket(found)
            if bucket is None:
                continue
            bucket.take(queued[name], now)
            if queued[name] >= allowed:
                self._later[name] = now + max(RATE_MS, bucket.wait_ms(1, now))
        self._rounds += 1
        self._served |= dict.fromkeys(counts, self._rounds)

    def _wanted(self, fleet: Fleet) -> dict[str, int]:
        """Share the free slots among the workflows that may have work."""
        now = self._control.now()
        if self._next_due is not None and self._next_due <= now:
            self._look_at_all()  # there may be so much to claim that nobody ever waits for this
        put_back, self._at = now < self._at, now
        self._looking.update(name for name, at in self._later.items() if at <= now or put_back)
        self._later = {name: at for name, at in self._later.items() if name not in self._looking}
        self._waits_ms = [at - now for at in self._later.values()]
        found = {name: one for name in self._looking if (one := self._registry.find(name)) is not None}
        self._looking.intersection_update(found)
        if self._control.store.pressure.share >= PRESSED:
            self._waits_ms.append(PRESSED_MS)
            return {}
        most: dict[str, int] = {}
        for name, one in found.items():
            until = self._handing.blocked_until(one)
            if until is not None:
                self._waits_ms.append(until - now)
            elif one.concurrency is None or self._slots.taken(name) < one.concurrency:
                most[name] = min(BATCH, (one.concurrency or self._ceiling) - self._slots.taken(name))
        asks = {
            name: Ask(has=self._slots.taken(name), most=count, served=self._served.get(name, 0))
            for name, count in self._begun_before(fleet, found, most).items()
        }
        even = -(-self._ceiling // max(1, len(self._registry.workflows())))
        reserve = min(RESERVE, self._ceiling // RESERVE)
        given = share_but(reserve, self._ceiling + reserve - self.running, asks, even=even)
        return {name: count for name, count in given.items() if count > 0}

    def _begun_before(
        self, fleet: Fleet, found: Mapping[str, Registered], most: Mapping[str, int]
    ) -> dict[str, int]:
        """Share what the runtimes of each Worker may be handed before they have begun the rest."""
        self._crowded = set()
        waiting = self._beginnings.count()
        for name, count in self._journeys.count().items():
            waiting[name] = waiting.get(name, 0) + count
        before: dict[str, int] = {}
        for name, count in waiting.items():
            if (one := self._registry.find(name)) is not None:
                before[one.script_name] = before.get(one.script_name, 0) + count
        workers: dict[str, dict[str, Ask]] = {}
        for name, count in most.items():
            ask = Ask(has=waiting.get(name, 0), most=count, served=self._served.get(name, 0))
            workers.setdefault(found[name].script_name, {})[name] = ask
        given: dict[str, int] = {}
        for worker, asks in workers.items():
            version = found[next(iter(asks))].version
            allowed = self._beginnings.allowed(worker, version, fleet.strength(version))
            room = allowed - before.get(worker, 0)
            if room < allowed // 4:
                # Each claim is a transaction: a crowd goes on when there is room for many of it.
                self._waits_ms.append(STUCK_MS)
                others = {name: ask for name, ask in asks.items() if not ask.has}
                given |= share(max(0, room), others)
                self._crowded |= asks.keys() - others.keys()
            else:
                given |= share(room, asks)
        return given

    def _bucket(self, workflow: Registered) -> Bucket | None:
        rate = workflow.start_rate
        return None if rate is None else self._rates.of(workflow.name, rate, self._control.now())

    async def _wait(self) -> None:
        """Sleep until something is heard, the next instance is due, or what held claims back may be over."""
        if self._signal.is_set():
            self._signal.clear()
            return
        if not self._asked:
            await self._ask()
        due_ms = LONGEST_S * 1000 if self._next_due is None else self._next_due - self._control.now()
        wait_ms = min(due_ms, LONGEST_S * 1000, *self._waits_ms)
        try:
            async with asyncio.timeout(max(0, wait_ms / 1000)):
                await self._signal.wait()
        except TimeoutError:
            if wait_ms in {due_ms, LONGEST_S * 1000}:
                self._look_at_all()

    async def _ask(self) -> None:
        """Ask the store for the next instant at which one is due."""
        # Those that are looked at already wait for a slot, and not for the time.
        self._unasked = set(self._looking)
        others = [one.name for one in self._registry.workflows() if one.name not in self._unasked]
        found = await self._control.store.due_at(others)
        self._asked = True
        # While the store was asked, an instance may have come to rest that is due before those.
        if found is not None and (self._next_due is None or found < self._next_due):
            self._next_due = found

    def _look_at_all(self) -> None:
        """Look at all workflows, and ask anew who is due next."""
        self._next_due, self._asked = None, False
        self.wake()
