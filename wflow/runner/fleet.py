"""The fleet: a runtime process for each version that has work, and what they say carried where it belongs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from wflow.engine import facts
from wflow.engine.changes import Ended, Held, Rested, Rolling, Told
from wflow.errors import LinkError, StoreError, WflowError
from wflow.link import frames
from wflow.runner import calls, translate
from wflow.runner.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from pathlib import Path

    from wflow.bindings.control import Control
    from wflow.engine.changes import Change
    from wflow.engine.facts import Received
    from wflow.runner.notes import Notes
    from wflow.runner.peer import Listener
    from wflow.runner.registry import Build
    from wflow.stores.store import Claim, Delivery, Store

BACKOFF_S: Final = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Before a runtime is started again after so many deaths in a row; the last one for all that follow."""
STEADY_S: Final = 30.0
"""A runtime that lived so long had no part in the deaths before it."""
DRAIN_S: Final = 5.0
"""How long attempts and requests may go on in a runtime that is being replaced."""
GOODBYE_S: Final = 1.0
"""How long a store may take with what was on its way when the runner stops."""
RELEASE_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class Releases(Protocol):
    """Who hears that slots are free and instances due: admission."""

    def freed(self, workflow: str) -> None:
        """Hear that a claim ended."""
        ...

    def due(self, workflow: str, at: int) -> None:
        """Hear that an instance wants to go on at an instant."""
        ...

    def wake(self, workflow: str) -> None:
        """Hear that an instance of a workflow may be ready."""
        ...

    def arrived(self, instance: int, event: Received) -> None:
        """Hear of an event for an instance that no runtime has."""
        ...

    def steered(self, instance: int, *, pausing: bool) -> None:
        """Hear that a claimed instance that no runtime has is to pause, or to go on after all."""
        ...

    def recalled(self, instance: int) -> None:
        """Hear that a claim is over that no runtime has."""
        ...


class Builds(Protocol):
    """Where builds come from."""

    async def build(self, version: str) -> Build:
        """Give a version's build, its code ready on disk; raises LoadError."""
        ...


class Fleet:
    """Runtimes by version. What they commit goes to the store, what they call to a binding's provider."""

    def __init__(
        self,
        control: Control,
        builds: Builds,
        notes: Notes,
        releases: Releases,
        *,
        peers: Callable[[Listener], Peer] = Peer,
    ) -> None:
        """Make an empty fleet on the running loop, which makes its runtimes by ``peers``."""
        self._control = control
        self._store: Store = control.store
        self._builds = builds
        self._notes = notes
        self._releases = releases
        self._new_peer = peers
        self._loop = asyncio.get_running_loop()
        self.hash_seed = 0
        self._peers: dict[str, Peer] = {}
        self._starting: dict[str, asyncio.Task[Peer]] = {}
        self._deaths: dict[str, tuple[int, float]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._spares: set[Peer] = set()
        self._leaving: set[Peer] = set()
        self._replaced = asyncio.Event()
        self._closing = False

    async def peer(self, version: str) -> Peer:
        """Give the runtime of a version, started if need be; raises LoadError and LinkError."""
        peer = self._peers.get(version)
        if peer is not None and peer.alive:
            return peer
        if self._closing:
            raise LinkError("the runner is stopping")
        task = self._starting.get(version)
        if task is None:
            task = self._starting[version] = self._loop.create_task(self._start(version))
            task.add_done_callback(lambda done: self._started(version, done))
        return await asyncio.shield(task)

    def current(self, version: str) -> Peer | None:
        """Give the runtime of a version if it is up and takes new work."""
        peer = self._peers.get(version)
        return peer if peer is not None and peer.alive and not peer.draining else None

    def holder(self, instance: int) -> Peer | None:
        """Find the runtime that holds an instance."""
        return next((peer for peer in self._everyone() if instance in peer.holds), None)

    async def spare(self, folder: Path) -> Peer:
        """Bring a process up that has no user code yet, to be used by `replace`."""
        peer = self._new_peer(self)
        self._spares.add(peer)
        try:
            await peer.start(folder, hash_seed=self.hash_seed)
        except BaseException:
            peer.kill()
            raise
        return peer

    def replace(self, version: str, peer: Peer) -> None:
        """Give a version to a loaded runtime; the one before it is drained and ends."""
        before = self._peers.get(version)
        self._peers[version] = peer
        self._spares.discard(peer)
        self._deaths.pop(version, None)
        self._replaced.set()
        self._replaced = asyncio.Event()
        if before is not None:
            self.retire(before)

    def retire(self, peer: Peer) -> None:
        """Let a runtime finish what it does, for DRAIN_S, and end it."""
        self._leaving.add(peer)
        self._spawn(peer.drain(DRAIN_S))

    def warm(self, version: str) -> None:
        """Bring the runtime of a version up before anybody waits for it."""

        async def start() -> None:
            with contextlib.suppress(WflowError):
                await self.peer(version)

        self._spawn(start())

    def retire_idle(self, versions: Sequence[str]) -> None:
        """End the runtimes of versions other than these that have nothing to do."""
        for version, peer in list(self._peers.items()):
            if version not in versions and not peer.busy:
                del self._peers[version]
                self.retire(peer)

    def drop(self, instance: int) -> None:
        """Tell whoever holds an instance, or has it in memory, that it goes on without them."""
        self._releases.recalled(instance)
        for peer in self._everyone():
            if instance in peer.holds or instance in peer.hot:
                self._unhold(peer, instance)
                peer.send(frames.Drop([instance]))

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """Hand events that were kept to whoever holds their instances; those of others may be due now."""
        for one in deliveries:
            peer = self.holder(one.key) if one.claimed else None
            if peer is not None:
                peer.send(frames.Deliver(one.key, one.event))
            else:
                self._releases.arrived(one.key, one.event)
                self._releases.wake(one.workflow)

    def steer(self, instance: int, *, pausing: bool) -> None:
        """Tell whoever holds an instance that it is to pause, or to go on after all."""
        peer = self.holder(instance)
        if peer is None:
            self._releases.steered(instance, pausing=pausing)
        else:
            # Should its runtime ask for it anew, it hears of this as well.
            peer.holds[instance] = msgspec.structs.replace(peer.holds[instance], pausing=pausing)
            peer.send(frames.Steer(instance, pausing))

    def tell(self, level: str, text: str, *, trace: str = "") -> None:
        """Log a line of the runner's own."""
        detail: dict[str, object] = {"trace": trace} if trace else {}
        self._notes.add(facts.Logged(level, text, self._control.now(), detail, source="runner"))

    async def close(self) -> None:
        """End every runtime: claims are given back, what is on disk is all there is."""
        self._closing = True
        starting = list(self._starting.values())
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        peers = [*self._peers.values(), *self._leaving, *self._spares]
        for peer in peers:
            peer.draining = True
            peer.kill()
        await asyncio.gather(*(peer.gone() for peer in peers))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GOODBYE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Else the next runner would take it that whoever held them has died over them.
        claims = [claim for peer in peers for claim in peer.holds.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await give_back(self._store, claims, self._control.now())

    # -- what runtimes say -----------------------------------------------------------------------------------

    def heard(self, peer: Peer, message: frames.ToRunner) -> None:
        """Carry a message to where it belongs."""
        match message:
            case frames.Commit():
                self._spawn(self._commit(peer, message))
            case frames.Call():
                self._spawn(self._call(peer, message))
            case frames.Missing(instances):
                self._spawn(self._resend(peer, instances))
            case frames.Released(instances):
                self._spawn(self._release(peer, instances))
            case frames.Evicted(instances):
                peer.hot.difference_update(instances)
            case frames.Printed():
                self._notes.add(translate.line(peer.holds, message))

    def died(self, peer: Peer) -> None:
        """Take its claims back, and count the death if nobody asked for it."""
        version = peer.build.version if peer.build else ""
        self._leaving.discard(peer)
        self._spares.discard(peer)
        if self._peers.get(version) is peer:
            del self._peers[version]
            if not self._closing:
                self._count_death(version)
                self.tell(
                    "warn",
                    f"the runtime (pid {peer.pid}) died; its {len(peer.holds)} instances go on in a new one",
                )
        if peer.holds and not self._closing:
            self._spawn(self._release(peer, list(peer.holds), died=not peer.killed))

    async def _commit(self, peer: Peer, commit: frames.Commit) -> None:
        batch, foreign = translate.own(peer.holds, commit)
        try:
            appended = await self._store.append(batch)
        except WflowError as broken:
            # The runtime's memory is now ahead of the disk: it goes, and its instances start from the disk.
            self.tell("error", f"{broken.message}; the runtime is started again")
            peer.kill()
            return
        if appended.refused:
            # Their claims are over already, or what was said does not follow: then they start from the disk.
            self._spawn(self._release(peer, appended.refused))
        refused = [*foreign, *appended.refused]
        for change in commit.changes:
            if change.instance not in refused:
                self._changed(peer, change)
        self.deliver(appended.deliveries)
        peer.send(frames.Acked(commit.batch, refused))
        peer.settle()

    def _changed(self, peer: Peer, change: Change) -> None:
        match change:
            case Rested(instance, at, wake_at, awaits):
                workflow = self._unhold(peer, instance)
                if not peer.draining:
                    peer.hot.add(instance)
                if workflow is not None:
                    # An event may have come as it went to rest; then it is due now, and only the store knows.
                    self._releases.due(workflow, at if awaits else wake_at)
                    self._releases.due(workflow, wake_at)
            case Ended(instance) | Held(instance):
                self._unhold(peer, instance)
            case Rolling() | Told():
                pass  # the claim goes on

    async def _resend(self, peer: Peer, instances: list[int]) -> None:
        """Send whole journals of instances that the runtime has let go of."""
        claims = [peer.holds[instance] for instance in instances if instance in peer.holds]
        try:
            pasts = await self._store.load({claim.key: 0 for claim in claims})
            for claim in claims:
                current = peer.holds.get(claim.key)
                if current is not None and current.epoch == claim.epoch:
                    past = pasts[claim.key]
                    peer.send(frames.Play([translate.turn(current, past.records, past.events)]))
        except (StoreError, LinkError) as broken:
            # It would wait for these for ever; whoever has them next reads their journals anew.
            self.tell("error", f"{broken.message}; the runtime is started again")
            peer.kill()

    async def _release(self, peer: Peer, instances: list[int], *, died: bool = False) -> None:
        claims = [peer.holds[instance] for instance in instances if instance in peer.holds]
        await give_back(self._store, claims, self._control.now(), died=died)
        for claim in claims:
            current = peer.holds.get(claim.key)
            if current is not None and current.epoch == claim.epoch:
                self._unhold(peer, claim.key)
                self._releases.due(claim.workflow, self._control.now())
        peer.settle()

    async def _call(self, peer: Peer, call: frames.Call) -> None:
        peer.send(await calls.answer(self._control, peer, call, self.tell))

    # -- inside ----------------------------------------------------------------------------------------------

    async def _start(self, version: str) -> Peer:
        deaths, _ = self._deaths.get(version, (0, 0.0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACKOFF_S[min(deaths, len(BACKOFF_S) - 1)]):
                await self._replaced.wait()
        known = self.current(version)
        if known is not None:
            return known
        build = await self._builds.build(version)
        peer = self._new_peer(self)
        try:
            await peer.start(build.folder, hash_seed=self.hash_seed)
            await peer.load(build)
        except BaseException as broken:
            peer.kill()
            await peer.gone()
            known = self.current(version)
            if known is not None and isinstance(broken, WflowError):
                return known
            if isinstance(broken, LinkError):
                self._count_death(version)
            raise
        known = self.current(version)
        if known is not None:
            peer.kill()
            await peer.gone()
            return known
        self._peers[version] = peer
        return peer

    def _started(self, version: str, task: asyncio.Task[Peer]) -> None:
        self._starting.pop(version, None)
        if not task.cancelled():
            task.exception()  # whoever waited for it has it; and it may be that nobody does any more

    def _count_death(self, version: str) -> None:
        deaths, last = self._deaths.get(version, (0, 0.0))
        now = self._loop.time()
        self._deaths[version] = (1 if now - last > STEADY_S else deaths + 1, now)

    def _everyone(self) -> Iterable[Peer]:
        return (*self._peers.values(), *self._leaving)

    def _unhold(self, peer: Peer, instance: int) -> str | None:
        """End a claim; give the workflow whose slot is free now."""
        claim = peer.holds.pop(instance, None)
        peer.hot.discard(instance)
        if claim is None:
            return None
        self._releases.freed(claim.workflow)
        return claim.workflow

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def give_back(store: Store, claims: Sequence[Claim], at: int, *, died: bool = False) -> None:
    """End claims in the middle of their work, however long the store takes; they are due at ``at``.

    With ``died`` it was their holder's end, for which they may be the reason.
    """
    if not claims:
        return
    delays = iter(RELEASE_BACKOFF_S)
    while True:
        try:
            await store.release([(claim.key, claim.epoch) for claim in claims], now=at, died=died)
        except StoreError:
            await asyncio.sleep(next(delays, RELEASE_BACKOFF_S[-1]))
        else:
            return
