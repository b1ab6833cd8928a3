"""Admission: who may run. Slots are counted from live claims; due instances go first, then queued ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import names
from wflow.engine.facts import Received
from wflow.errors import LinkError, LoadError, StoreError, WflowError
from wflow.link import frames
from wflow.runner import translate
from wflow.runner.fleet import GOODBYE_S, give_back
from wflow.stores.store import Claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from wflow.bindings.control import Control
    from wflow.runner.fleet import Fleet
    from wflow.runner.peer import Peer
    from wflow.runner.registry import Registry

BATCH: Final = 512
"""Claims of one workflow at a time, so that the first turn begins while the rest is claimed."""
BROKEN_MS: Final = (1_000, 2_000, 5_000, 15_000, 60_000)
"""When a version is tried again that cannot be loaded; the last one for all that follow."""
LONGEST_S: Final = 60.0
"""The longest wait without a look at the store, whatever was heard."""
STORE_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


@dataclass(slots=True)
class _Journey:
    """An instance on its way from the store to a runtime, and what became of it meanwhile."""

    claim: Claim
    events: list[Received] = field(default_factory=list)
    recalled: bool = False


class Reservation:
    """The next claim of an instance, kept from the runtimes; what was caught is given back at its end."""

    def __init__(self, instance: int, back: Callable[[Sequence[_Journey], int], Awaitable[None]]) -> None:
        self.instance = instance
        self._back = back
        self._caught: list[_Journey] = []
        self._news = asyncio.Event()

    @property
    def caught(self) -> bool:
        """Whether the instance is claimed for whoever reserved it, and for nobody else."""
        return bool(self._caught)

    async def wait(self, seconds: float) -> None:
        """Wait until it is claimed, but no longer than so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def give_back(self) -> None:
        """End the claim; with `Admission.claiming` held, nobody has another one until that is let go."""
        caught, self._caught = self._caught, []
        self._news.clear()
        if caught:
            await self._back(caught, 0)

    def catch(self, journey: _Journey) -> None:
        """Take a claim in."""
        self._caught.append(journey)
        self._news.set()


class Admission:
    """Claims instances as slots are free and hands them to the fleet; whoever knows tells it when to look."""

    def __init__(self, control: Control, registry: Registry, *, ceiling: int = names.RUNNING) -> None:
        """Bound what runs at once on this runner to ``ceiling``; `run` does the work."""
        self.claiming = asyncio.Lock()
        """While somebody has it, nothing is claimed."""
        self._control = control
        self._registry = registry
        self._ceiling = ceiling
        self._held: Counter[str] = Counter()
        self._looking: set[str] = set()
        self._next_due: int | None = None
        self._asked = False
        self._unasked: set[str] = set()
        self._signal = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: dict[str, tuple[int, int]] = {}
        self._blocked_until: int | None = None
        self._under_way: dict[int, _Journey] = {}
        self._reserved: dict[int, Reservation] = {}
        self._taking: asyncio.Task[list[_Journey]] | None = None

    @property
    def running(self) -> int:
        """How many claims live."""
        return self._held.total()

    def freed(self, workflow: str) -> None:
        """Hear that a claim ended."""
        self._held[workflow] -= 1
        if self._looking:
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
        self._broken.pop(version, None)
        self.wake()

    def arrived(self, instance: int, event: Received) -> None:
        """Hear of an event for an instance that is claimed; one on its way to a runtime takes it along."""
        journey = self._under_way.get(instance)
        if journey is not None:
            journey.events.append(event)

    def steered(self, instance: int, *, pausing: bool) -> None:
        """Hear that an instance that is claimed is to pause or not; one on its way arrives knowing it."""
        journey = self._under_way.get(instance)
        if journey is not None:
            journey.claim = msgspec.structs.replace(journey.claim, pausing=pausing)

    def recalled(self, instance: int) -> None:
        """Hear that an instance's claim is over; one on its way to a runtime does not get there."""
        journey = self._under_way.get(instance)
        if journey is not None:
            journey.recalled = True

    def under_way(self, instance: int) -> bool:
        """Tell whether an instance is claimed and no runtime has it yet."""
        return instance in self._under_way

    @contextlib.asynccontextmanager
    async def reserving(self, instance: int) -> AsyncIterator[Reservation]:
        """Have whatever is claimed of an instance meanwhile, instead of a runtime; one at a time can."""
        assert instance not in self._reserved
        reservation = self._reserved[instance] = Reservation(instance, self._give_back)
        try:
            yield reservation
        finally:
            del self._reserved[instance]
            await reservation.give_back()

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
                    fleet.tell("error", f"instances cannot be claimed: {_told(broken)}")
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
        claims = [journey.claim for journey in self._under_way.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await give_back(self._control.store, claims, self._control.now())

    async def _round(self, fleet: Fleet) -> None:
        wanted = self._wanted()
        if not wanted:
            await self._wait()
            return
        self._signal.clear()
        self._looking.difference_update(wanted)
        # Whoever ends this loop ends the wait for it; what is claimed is known all the same.
        self._taking = asyncio.get_running_loop().create_task(self._take(wanted))
        taken = await asyncio.shield(self._taking)
        counts = Counter(journey.claim.workflow for journey in taken)
        # Who gave all that was asked for may have more.
        self._looking.update(name for name, count in wanted.items() if counts[name] >= count)
        if self._unasked & (wanted.keys() - self._looking):
            self._asked = False
        by_version: dict[str, list[_Journey]] = {}
        for journey in taken:
            if (reservation := self._reserved.get(journey.claim.key)) is not None:
                reservation.catch(journey)
                continue
            by_version.setdefault(journey.claim.version, []).append(journey)
        for version, each in by_version.items():
            task = asyncio.get_running_loop().create_task(self._hand_out(fleet, version, each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, wanted: dict[str, int]) -> list[_Journey]:
        async with self.claiming:
            claims = await self._control.store.claim(wanted, owner="runner", now=self._control.now())
            taken = [_Journey(claim) for claim in claims]
            for journey in taken:
                self._held[journey.claim.workflow] += 1
                self._under_way[journey.claim.key] = journey
            return taken

    def _wanted(self) -> dict[str, int]:
        """Share the free slots among the workflows that may have work: those that run least first."""
        now = self._control.now()
        left = self._ceiling - self.running
        wanted: dict[str, int] = {}
        self._blocked_until = None
        found = {name: one for name in self._looking if (one := self._registry.find(name)) is not None}
        self._looking.intersection_update(found)
        for rank, name in enumerate(sorted(found, key=lambda one: self._held[one])):
            workflow = found[name]
            until, _ = self._broken.get(workflow.version, (0, 0))
            # What is live beside it goes on, and so do its instances.
            if until > now and self._registry.is_alone(workflow):
                self._blocked_until = min(until, self._blocked_until or until)
                continue
            share = -(-left // (len(found) - rank))
            free = share if workflow.concurrency is None else workflow.concurrency - self._held[name]
            count = min(free, share, BATCH)
            if count > 0:
                wanted[name] = count
                left -= count
        return wanted

    async def _wait(self) -> None:
        """Sleep until something is heard, or the next instance is due."""
        if self._signal.is_set():
            self._signal.clear()
            return
        if not self._asked:
            # Those that are looked at already wait for a slot, and not for the time.
            self._unasked = set(self._looking)
            others = [one.name for one in self._registry.workflows() if one.name not in self._unasked]
            found = await self._control.store.due_at(others)
            self._asked = True
            # While the store was asked, an instance may have come to rest that is due before those.
            if found is not None and (self._next_due is None or found < self._next_due):
                self._next_due = found
        ends = [at for at in (self._next_due, self._blocked_until) if at is not None]
        left_s = (min(ends) - self._control.now()) / 1000 if ends else LONGEST_S
        try:
            async with asyncio.timeout(min(max(0, left_s), LONGEST_S)):
                await self._signal.wait()
        except TimeoutError:
            self._next_due, self._asked = None, False
            self.wake()

    async def _hand_out(self, fleet: Fleet, version: str, journeys: Sequence[_Journey]) -> None:
        try:
            peer = await fleet.peer(version)
            turns = await self._turns(peer, [journey.claim for journey in journeys])
        except StoreError:
            await self._give_back(journeys, BROKEN_MS[0])
        except Exception as broken:  # noqa: BLE001 - whatever is wrong with its code, a claim must not be lost
            await self._give_up(fleet, version, journeys, broken)
        else:
            self._broken.pop(version, None)
            if fleet.current(version) is peer:
                await self._give_back(self._play(peer, journeys, turns), BROKEN_MS[-1])
            else:
                await self._give_back(journeys, 0)

    def _play(self, peer: Peer, journeys: Sequence[_Journey], turns: Sequence[frames.Turn]) -> list[_Journey]:
        """Hand turns over, with the news of their journeys; give those that the runtime cannot play."""
        assert peer.build is not None
        declared = {entry.name for entry in peer.build.manifest.workflows}
        stay = []
        for journey, turn in zip(journeys, turns, strict=True):
            claim = journey.claim
            if journey.recalled:
                self._leave(journey)
                self.freed(claim.workflow)
                continue
            # A dev session's code may have lost a workflow since the instance was claimed.
            told = msgspec.structs.replace(turn, pausing=claim.pausing)
            if claim.workflow not in declared or not _sent(peer, told):
                stay.append(journey)
                continue
            self._leave(journey)
            peer.holds[claim.key] = claim
            peer.hot.discard(claim.key)
            for event in journey.events:
                peer.send(frames.Deliver(claim.key, event))
        return stay

    def _leave(self, journey: _Journey) -> None:
        """Take an instance off the way, unless it is claimed anew meanwhile."""
        if self._under_way.get(journey.claim.key) is journey:
            del self._under_way[journey.claim.key]

    async def _turns(self, peer: Peer, claims: Sequence[Claim]) -> list[frames.Turn]:
        """Read what the runtime does not have: journals, unless it has the instance in memory, and events."""
        after = {
            claim.key: claim.seq if claim.key in peer.hot else 0
            for claim in claims
            if claim.has_events or (claim.seq and claim.key not in peer.hot)
        }
        pasts = await self._control.store.load(after) if after else {}
        turns = []
        for claim in claims:
            past = pasts.get(claim.key)
            hot = claim.key in peer.hot
            records = None if hot else past.records if past else []
            turns.append(translate.turn(claim, records, past.events if past else []))
        return turns

    async def _give_up(
        self, fleet: Fleet, version: str, journeys: Sequence[_Journey], broken: Exception
    ) -> None:
        """Leave instances alone whose version does not come up, and try again later."""
        now = self._control.now()
        until, times = self._broken.get(version, (0, 0))
        if until <= now:
            delay_ms = BROKEN_MS[min(times, len(BROKEN_MS) - 1)]
            until = now + delay_ms
            self._broken[version] = (until, times + 1)
            again = f"next try in {delay_ms // 1000} s"
            trace = broken.trace if isinstance(broken, LoadError) else ""
            fleet.tell("error", f"version {version} cannot be run, {again}: {_told(broken)}", trace=trace)
        # What is the current version's is not claimed before `until`, and goes on at once when it is mended.
        current = {
            one.name
            for one in self._registry.workflows()
            if one.version == version and self._registry.is_alone(one)
        }
        await self._give_back([one for one in journeys if one.claim.workflow in current], 0)
        await self._give_back([one for one in journeys if one.claim.workflow not in current], until - now)

    async def _give_back(self, journeys: Sequence[_Journey], delay_ms: int) -> None:
        at = self._control.now() + delay_ms
        await give_back(self._control.store, [journey.claim for journey in journeys], at)
        for journey in journeys:
            self._leave(journey)
            self.freed(journey.claim.workflow)
            self.due(journey.claim.workflow, at)


def _sent(peer: Peer, turn: frames.Turn) -> bool:
    """Hand a turn over; a journal that is too long for a frame stays here, and takes no others along."""
    try:
        peer.send(frames.Play([turn]))
    except LinkError:
        return False
    return True


def _told(broken: Exception) -> str:
    return broken.message if isinstance(broken, WflowError) else repr(broken)
