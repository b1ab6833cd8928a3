"""Admission: who may run. Slots are counted from live claims; due instances go first, then queued ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.errors import LinkError, LoadError, StoreError, WflowError
from wflow.link import frames
from wflow.runner import translate
from wflow.runner.fleet import give_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.control import Control
    from wflow.engine.facts import Received
    from wflow.runner.fleet import Fleet
    from wflow.runner.peer import Peer
    from wflow.runner.registry import Registry
    from wflow.stores.store import Claim

BATCH: Final = 512
"""Claims of one workflow at a time, so that the first turn begins while the rest is claimed."""
BROKEN_MS: Final = (1_000, 2_000, 5_000, 15_000, 60_000)
"""When a version is tried again that cannot be loaded; the last one for all that follow."""
LONGEST_S: Final = 60.0
"""The longest wait without a look at the store, whatever was heard."""
STORE_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class Admission:
    """Claims instances as slots are free and hands them to the fleet; whoever knows tells it when to look."""

    def __init__(self, control: Control, registry: Registry, *, ceiling: int = names.RUNNING) -> None:
        """Bound what runs at once on this runner to ``ceiling``; `run` does the work."""
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
        self._under_way: dict[int, list[Received] | None] = {}

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
        taken = self._under_way.get(instance)
        if taken is not None:
            taken.append(event)

    def recalled(self, instance: int) -> None:
        """Hear that an instance's claim is over; one on its way to a runtime does not get there."""
        if instance in self._under_way:
            self._under_way[instance] = None

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
        """Give up what is on its way; the next start finds it on disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _round(self, fleet: Fleet) -> None:
        wanted = self._wanted()
        if not wanted:
            await self._wait()
            return
        self._signal.clear()
        self._looking.difference_update(wanted)
        claims = await self._control.store.claim(wanted, owner="runner", now=self._control.now())
        counts = Counter(claim.workflow for claim in claims)
        self._held.update(counts)
        # Who gave all that was asked for may have more.
        self._looking.update(name for name, count in wanted.items() if counts[name] >= count)
        if self._unasked & (wanted.keys() - self._looking):
            self._asked = False
        by_version: dict[str, list[Claim]] = {}
        for claim in claims:
            self._under_way[claim.key] = []
            by_version.setdefault(claim.version, []).append(claim)
        for version, each in by_version.items():
            task = asyncio.get_running_loop().create_task(self._hand_out(fleet, version, each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

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
            if until > now:
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

    async def _hand_out(self, fleet: Fleet, version: str, claims: Sequence[Claim]) -> None:
        try:
            peer = await fleet.peer(version)
            turns = await self._turns(peer, claims)
        except StoreError:
            self._arrive(claims)
            await self._give_back(claims, BROKEN_MS[0])
        except Exception as broken:  # noqa: BLE001 - whatever is wrong with its code, a claim must not be lost
            self._arrive(claims)
            await self._give_up(fleet, version, claims, broken)
        else:
            self._broken.pop(version, None)
            news = self._arrive(claims)
            if fleet.current(version) is peer:
                await self._play(peer, claims, turns, news)
            else:
                await self._give_back(claims, 0)

    def _arrive(self, claims: Sequence[Claim]) -> list[list[Received] | None]:
        """Take claims off the way, each with the events that came meanwhile; None when it was recalled."""
        return [self._under_way.pop(claim.key, None) for claim in claims]

    async def _play(
        self,
        peer: Peer,
        claims: Sequence[Claim],
        turns: Sequence[frames.Turn],
        news: Sequence[list[Received] | None],
    ) -> None:
        assert peer.build is not None
        declared = {entry.name for entry in peer.build.manifest.workflows}
        stays = []
        for claim, turn, events in zip(claims, turns, news, strict=True):
            if events is None:
                self.freed(claim.workflow)
                continue
            # A dev session's code may have lost a workflow since the instance was claimed.
            if claim.workflow not in declared or not _sent(peer, turn):
                stays.append(claim)
                continue
            peer.holds[claim.key] = claim
            peer.hot.discard(claim.key)
            for event in events:
                peer.send(frames.Deliver(claim.key, event))
        if stays:
            await self._give_back(stays, BROKEN_MS[-1])

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

    async def _give_up(self, fleet: Fleet, version: str, claims: Sequence[Claim], broken: Exception) -> None:
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
        current = {one.name for one in self._registry.workflows() if one.version == version}
        await self._give_back([claim for claim in claims if claim.workflow in current], 0)
        await self._give_back([claim for claim in claims if claim.workflow not in current], until - now)

    async def _give_back(self, claims: Sequence[Claim], delay_ms: int) -> None:
        if not claims:
            return
        at = self._control.now() + delay_ms
        await give_back(self._control.store, claims, at)
        for claim in claims:
            self.freed(claim.workflow)
            self.due(claim.workflow, at)


def _sent(peer: Peer, turn: frames.Turn) -> bool:
    """Hand a turn over; a journal that is too long for a frame stays here, and takes no others along."""
    try:
        peer.send(frames.Play([turn]))
    except LinkError:
        return False
    return True


def _told(broken: Exception) -> str:
    return broken.message if isinstance(broken, WflowError) else repr(broken)
