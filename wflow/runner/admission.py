"""Admission: who may run. Slots are counted from live claims; due instances go before queued ones, first in, first out."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.errors import LinkError, LoadError, StoreError
from wflow.link import frames
from wflow.runner.fleet import turn_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.control import Control
    from wflow.runner.fleet import Fleet
    from wflow.runner.peer import Peer
    from wflow.runner.registry import Registry
    from wflow.stores.store import Claim

BATCH: Final = 512
"""Claims of one workflow at a time, so that the first turn begins while the rest is claimed."""
BROKEN_MS: Final = 5_000
"""When an instance is tried again whose version cannot be loaded."""
LONGEST_S: Final = 60.0
"""The longest wait without a look at the store, whatever was heard."""
STORE_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class Admission:
    """Claims instances as slots are free and hands them to the fleet. `freed`, `due` and `wake` tell it when to look."""

    def __init__(self, control: Control, registry: Registry, *, ceiling: int = names.RUNNING) -> None:
        """Bound what runs at once on this runner to ``ceiling``; `run` does the work."""
        self._control = control
        self._registry = registry
        self._ceiling = ceiling
        self._held: Counter[str] = Counter()
        self._looking: set[str] = set()
        self._next_due: int | None = None
        self._signal = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

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

    async def run(self, fleet: Fleet) -> None:
        """Claim and hand out until cancelled."""
        failures = 0
        self.wake()
        while True:
            try:
                await self._round(fleet)
                failures = 0
            except StoreError:
                await asyncio.sleep(STORE_BACKOFF_S[min(failures, len(STORE_BACKOFF_S) - 1)])
                failures += 1
                self.wake()

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
        by_version: dict[str, list[Claim]] = {}
        for claim in claims:
            by_version.setdefault(claim.version, []).append(claim)
        for version, each in by_version.items():
            task = asyncio.get_running_loop().create_task(self._hand_out(fleet, version, each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _wanted(self) -> dict[str, int]:
        """Share the free slots among the workflows that may have work: those that run least first."""
        left = self._ceiling - self.running
        wanted: dict[str, int] = {}
        for rank, name in enumerate(sorted(self._looking, key=lambda one: self._held[one])):
            workflow = self._registry.find(name)
            if workflow is None:
                continue
            share = -(-left // (len(self._looking) - rank))
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
        now = self._control.now()
        if self._next_due is None:
            every = [one.name for one in self._registry.workflows()]
            self._next_due = await self._control.store.due_at(every)
        patience = LONGEST_S if self._next_due is None else min(LONGEST_S, max(0, self._next_due - now) / 1000)
        try:
            async with asyncio.timeout(patience):
                await self._signal.wait()
        except TimeoutError:
            self._next_due = None
            self.wake()

    async def _hand_out(self, fleet: Fleet, version: str, claims: Sequence[Claim]) -> None:
        try:
            peer = await fleet.peer(version)
            turns = await self._turns(peer, claims)
        except (LoadError, LinkError, StoreError):
            await self._give_back(claims, BROKEN_MS)
            return
        if fleet.current(version) is not peer:
            await self._give_back(claims, 0)
            return
        for claim in claims:
            peer.holds[claim.key] = claim
            peer.hot.discard(claim.key)
        peer.send(frames.Play(turns))

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
            turns.append(turn_of(claim, records, past.events if past else []))
        return turns

    async def _give_back(self, claims: Sequence[Claim], delay_ms: int) -> None:
        at = self._control.now() + delay_ms
        try:
            await self._control.store.release([(claim.key, claim.epoch) for claim in claims], now=at)
        finally:
            for claim in claims:
                self.freed(claim.workflow)
                self.due(claim.workflow, at)
