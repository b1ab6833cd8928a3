"""The fleet: a crew of runtimes for each version that has work; what they say carried where it belongs."""

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
from wflow.runner.crew import Crew
from wflow.runner.debts import Debts
from wflow.runner.held import Holding
from wflow.runner.holds import claimed, held
from wflow.runner.peer import Peer
from wflow.runner.releases import give_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    from wflow.bindings.control import Control
    from wflow.engine.changes import Change
    from wflow.runner.notes import Notes
    from wflow.runner.peer import Listener
    from wflow.runner.registry import Build
    from wflow.runner.releases import Releases
    from wflow.stores.store import Claim, Delivery, Store
    from wflow.wire.types import HttpAnswer, HttpRequest

DRAIN_S: Final = 5.0
"""How long attempts and requests may go on in a runtime that is being replaced."""
GOODBYE_S: Final = 1.0
"""How long a store may take with what was on its way when the runner stops."""


class Builds(Protocol):
    """Where builds come from."""

    async def build(self, version: str) -> Build:
        """Give a version's build, its code ready on disk; raises LoadError."""
        ...


class Fleet:
    """Runtimes by version. What they commit goes to the store, what they call to a binding's provider.

    An instance that is claimed is in one of them, and the fleet knows which.
    """

    def __init__(
        self,
        control: Control,
        builds: Builds,
        notes: Notes,
        releases: Releases,
        *,
        peers: Callable[[Listener], Peer] = Peer,
        processes: int = 1,
    ) -> None:
        """Make an empty fleet on the running loop.

        There are up to ``processes`` runtimes of a version, which ``peers`` makes.
        """
        self._control = control
        self._store: Store = control.store
        self._builds = builds
        self._notes = notes
        self._releases = releases
        self._new_peer = peers
        self._loop = asyncio.get_running_loop()
        self.hash_seed = 0
        self._processes = processes
        self._crews: dict[str, Crew] = {}
        self._holders: dict[int, Peer] = {}
        self.held = Holding(self._store, releases.wake)
        self._debts = Debts(self._store, self._spawn, self.tell)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._spares: set[Peer] = set()
        self._leaving: set[Peer] = set()
        self._closing = False

    async def peer(self, version: str) -> Peer:
        """Give a version's runtime with the least to do, started if none is up; LoadError, LinkError."""
        return await self._crew(version).peer()

    def current(self, version: str) -> Peer | None:
        """Give the runtime of a version with the least to do, of those that are up and take new work."""
        crew = self._crews.get(version)
        return None if crew is None else crew.idlest()

    def strength(self, version: str) -> int:
        """Tell how many runtimes share the work of a version; one, if none is up yet."""
        crew = self._crews.get(version)
        return 1 if crew is None else max(1, len(crew.members))

    async def fetch(self, version: str, request: HttpRequest) -> HttpAnswer:
        """Hand a request to the runtime of a version with the least to do.

        Raises LoadError, and LinkError when the process dies first, or has too much to do.
        """
        crew = self._crew(version)
        peer = await crew.peer()
        crew.reinforce(1)
        return await peer.fetch(request)

    async def handle(self, version: str, kind: str, event: object) -> object:
        """Hand an event to the runtime of a version with the least to do; see `Peer.handle`.

        Raises LoadError beside.
        """
        crew = self._crew(version)
        peer = await crew.peer()
        crew.reinforce(1)
        return await peer.handle(kind, event)

    @contextlib.asynccontextmanager
    async def placing(self, version: str, instances: Sequence[int]) -> AsyncIterator[Mapping[int, Peer]]:
        """Choose a version's runtime for each of these instances, see `Crew.placing`."""
        async with self._crew(version).placing(instances) as chosen:
            yield chosen

    def takes(self, peer: Peer) -> bool:
        """Tell whether a runtime is up and takes new work."""
        crew = None if peer.build is None else self._crews.get(peer.build.version)
        return crew is not None and crew.takes(peer)

    def hold(self, peer: Peer, claim: Claim) -> None:
        """Note that a runtime holds a claim from now on."""
        before = self._holders.get(claim.key)
        if before is not None and before is not peer:
            # Its claim is over, or there would be no other one; it has not heard of that yet.
            before.holds.pop(claim.key, None)
            before.send(frames.Drop([claim.key]))
        peer.holds[claim.key] = held(claim)
        peer.hot.discard(claim.key)
        self._holders[claim.key] = peer

    def holder(self, instance: int) -> Peer | None:
        """Find the runtime that holds an instance."""
        return self._holders.get(instance)

    async def launch(self, version: str) -> Peer:
        """Bring a process up with the code of a version (its crew asks); raises LoadError and LinkError."""
        build = await self._builds.build(version)
        peer = self._new_peer(self)
        try:
            await peer.start(build.folder, hash_seed=self.hash_seed)
            await peer.load(build)
        except BaseException:
            peer.kill()
            await peer.gone()
            raise
        return peer

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
        """Give a version to a loaded runtime; those before it are drained and end, see `Crew.replace`."""
        self._spares.discard(peer)
        self._crew(version).replace(peer)

    async def renew(self, version: str) -> None:
        """Have new processes take over a version that runs, see `Crew.renew`."""
        if crew := self._crews.get(version):
            await crew.renew()

    def joined(self, peer: Peer) -> None:
        """Hear of one more runtime of a version (its crew tells): there is room for more of its instances."""
        assert peer.build is not None
        for entry in peer.build.manifest.workflows:
            self._releases.wake(entry.name)

    def retire(self, peer: Peer, patience_s: float | None = None) -> None:
        """Let a runtime finish what it does, for DRAIN_S unless it may go on for longer, and end it."""
        self._leaving.add(peer)
        self._spawn(peer.drain(DRAIN_S if patience_s is None else patience_s))

    def warm(self, version: str) -> None:
        """Bring the runtime of a version up before anybody waits for it."""

        async def start() -> None:
            with contextlib.suppress(WflowError):
                await self.peer(version)

        self._spawn(start())

    def retire_idle(self, versions: Sequence[str]) -> None:
        """End the runtimes of versions other than these that have nothing to do."""
        for version, crew in list(self._crews.items()):
            if version not in versions:
                crew.retire_idle()
                if not (crew.everyone or crew.starting):
                    del self._crews[version]

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
            if peer is not None and peer.listens and not self._debts.owes(peer):
                peer.send(frames.Deliver(one.key, one.event))
            elif peer is not None:
                self._debts.owe(peer, one.key)
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
        starting = [task for crew in self._crews.values() for task in crew.starting]
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        peers = [*self._everyone(), *self._spares]
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
        self._leaving.discard(peer)
        self._spares.discard(peer)
        crew = self._crews.get(peer.build.version) if peer.build else None
        if crew is not None and crew.lost(peer) and not self._closing:
            where = "another one" if crew.members else "a new one"
            told = f"the runtime (pid {peer.pid}) died; its {len(peer.holds)} instances go on in {where}"
            self.tell("warn", told)
        if peer.holds and not self._closing:
            self._spawn(self._release(peer, list(peer.holds), died=not peer.killed))

    async def _commit(self, peer: Peer, commit: frames.Commit) -> None:
        batch, foreign = translate.own(peer.holds, commit)
        # What the store cannot take in for now stays in the runtime's memory, which is bounded, and not here.
        is_behind = self._store.pressure.share >= 1
        try:
            batch = self.held.joined(batch)
            with peer.unheard() if is_behind else contextlib.nullcontext():
                appended = await self._store.append(batch)
        except WflowError as broken:
            # The runtime's memory is now ahead of the disk: it goes, and its instances start from the disk.
            self.tell("error", f"{broken.message}; the runtime is started again")
            peer.kill()
            return
        if appended.refused:
            # Their claims are over already, or what was said does not follow: then they start from the disk.
            self._spawn(self._release(peer, appended.refused))
        refused = {*foreign, *appended.refused}
        for change in commit.changes:
            if change.instance not in refused:
                self._changed(peer, change, appended.due)
        self.deliver(appended.deliveries)
        self.held.committed(batch)
        peer.send(frames.Acked(commit.batch, [*refused]))
        peer.settle()

    def _changed(self, peer: Peer, change: Change, due: Sequence[int]) -> None:
        match change:
            case Rested(instance, at, wake_at):
                workflow = self._unhold(peer, instance)
                if not peer.draining:
                    peer.hot.add(instance)
                if workflow is not None:
                    # An event may have come as it went to rest: only the store knows.
                    self._releases.due(workflow, at if instance in due else wake_at)
            case Ended(instance) | Held(instance):
                self._unhold(peer, instance)
            case Rolling() | Told():
                pass  # the claim goes on

    async def _resend(self, peer: Peer, instances: list[int]) -> None:
        """Send whole journals of instances that the runtime has let go of."""
        holds = [peer.holds[instance] for instance in instances if instance in peer.holds]
        try:
            for hold in holds:
                found = await self._store.find_one(hold.workflow, hold.id)
                past = (await self._store.load({hold.key: 0}))[hold.key]
                current = peer.holds.get(hold.key)
                if found is not None and current is not None and current.epoch == hold.epoch:
                    again = claimed(current, found, past)
                    peer.send(frames.Play([translate.turn(again, past.records, past.events)]))
                    self._debts.owe(peer, hold.key)  # an event that came while this was read was not heard
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
        # Another Worker's answer may come from the same runtime, which therefore must be heard meanwhile.
        with contextlib.nullcontext() if calls.asks_a_worker(peer, call) else peer.answering(call):
            answer = await calls.answer(self._control, peer, call, self.tell)
        peer.send(answer)

    # -- inside ----------------------------------------------------------------------------------------------

    def _crew(self, version: str) -> Crew:
        crew = self._crews.get(version)
        if crew is None:
            if self._closing:
                raise LinkError("the runner is stopping")
            crew = self._crews[version] = Crew(version, self._processes, self)
        return crew

    def _everyone(self) -> list[Peer]:
        return [*(peer for crew in self._crews.values() for peer in crew.everyone), *self._leaving]

    def _unhold(self, peer: Peer, instance: int) -> str | None:
        """End a claim; give the workflow whose slot is free now."""
        claim = peer.holds.pop(instance, None)
        peer.hot.discard(instance)
        if self._holders.get(instance) is peer:
            del self._holders[instance]
        if claim is None:
            return None
        self.held.forget(instance, claim.epoch)
        self._releases.freed(claim)
        return claim.workflow

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
