"""The crew of a version: the processes that run it, one at first, and more while there is more to do."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from wflow.errors import LinkError, LoadError, WflowError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from wflow.runner.peer import Peer

BACKOFF_S: Final = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Before a runtime is started again after so many deaths in a row; the last one for all that follow."""
STEADY_S: Final = 30.0
"""A runtime that lived so long had no part in the deaths before it."""
RENEWAL_S: Final = 3600.0
"""How long what runs may go on for in a runtime that is replaced for its secrets have changed."""


class Base(Protocol):
    """Where runtimes come from, and where they go: the fleet."""

    async def launch(self, version: str) -> Peer:
        """Bring a process up with the code of a version; raises LoadError and LinkError."""
        ...

    def joined(self, peer: Peer) -> None:
        """Hear of one more that takes new work."""
        ...

    def retire(self, peer: Peer, patience_s: float | None = None) -> None:
        """Let a runtime finish what it does, and end it."""
        ...

    def tell(self, level: str, text: str) -> None:
        """Log a line."""
        ...


class Crew:
    """The runtimes of one version.

    The first comes up when somebody asks for one. There are then as many as there is to do at once, which is
    claims and requests, but never more than ``most``; they stay when there is less to do. Who dies is missed
    when there is work for it.
    """

    def __init__(self, version: str, most: int, base: Base) -> None:
        """Make one of nobody yet, on the running loop."""
        self.members: list[Peer] = []
        """Those that take new work."""
        self._version = version
        self._most = self._room = most
        self._base = base
        self._loop = asyncio.get_running_loop()
        self._coming: Counter[Peer] = Counter()
        self._first: asyncio.Task[Peer] | None = None
        self._followers: set[asyncio.Task[None]] = set()
        self._outgoing: list[Peer] = []
        self._unhurried: set[Peer] = set()
        self._renewals = 0
        self._renewed = asyncio.Event()
        self._deaths = 0
        self._died_at = 0.0

    @property
    def everyone(self) -> list[Peer]:
        """Those that take new work, and those whose places are not taken yet."""
        return [*self.members, *self._outgoing]

    @property
    def starting(self) -> list[asyncio.Task[Peer] | asyncio.Task[None]]:
        """What brings processes up."""
        return [*self._followers] if self._first is None else [self._first, *self._followers]

    def takes(self, peer: Peer) -> bool:
        """Tell whether a runtime is one of them that is up and takes new work."""
        return peer in self.members and peer.alive and not peer.draining

    def idlest(self) -> Peer | None:
        """Give the one with the least to do, of several the oldest; None when nobody is up."""
        up = self._up()
        return min(up, key=lambda peer: peer.work + self._coming[peer]) if up else None

    async def peer(self) -> Peer:
        """Give the one with the least to do, started if nobody is up; raises LoadError and LinkError."""
        found = self.idlest()
        if found is not None:
            return found
        # One that has come up, and is dead already, would be awaited again and again within this pass.
        if self._first is None or self._first.done():
            self._first = self._loop.create_task(self._begin())
            self._first.add_done_callback(self._begun)
        return await asyncio.shield(self._first)

    @contextlib.asynccontextmanager
    async def placing(self, instances: Sequence[int]) -> AsyncIterator[Mapping[int, Peer]]:
        """Choose a runtime for each of these instances; in the block they count as theirs already.

        Who has an instance in memory gets it; else it is the one with the least to do. Raises what `peer`
        does.
        """
        while self.idlest() is None:
            await self.peer()
        chosen = self._choose(instances)
        coming = Counter(chosen.values())
        self._coming += coming
        self.reinforce()
        try:
            yield chosen
        finally:
            self._coming -= coming

    def reinforce(self, more: int = 0) -> None:
        """Bring up those that are missing for what there is to do, and for ``more`` that comes now."""
        there = len(self.members) + self._following
        if there < self._room:
            work = sum(peer.work for peer in self.members) + self._coming.total() + more
            self._follow(min(self._room, work) - there)

    def replace(self, peer: Peer) -> None:
        """Give the version to a runtime with new code; the rest of a crew of ``most`` follows.

        Those before it get nothing new. One of them is retired now, and one as each of the others is there:
        so what they have to do spreads over the new ones.
        """
        for follower in self._followers:
            follower.cancel()
        self._outgoing += self.members
        self.members = [peer]
        self._room, self._deaths = self._most, 0
        self._renewals += 1
        self._renewed.set()
        self._renewed = asyncio.Event()
        self._follow(self._most - 1)
        self._relieve()

    async def renew(self) -> None:
        """Have new processes take over from those that are up, as what they were loaded with has changed.

        Their code is as good as ever: what runs in them has RENEWAL_S to come to its end. Raises LoadError
        and LinkError; then nothing has changed.
        """
        if self.everyone or self.starting:
            peer = await self._base.launch(self._version)
            self._unhurried.update(self.members)
            self.replace(peer)
            self._base.joined(peer)

    def lost(self, peer: Peer) -> bool:
        """Strike a runtime out that is dead; tell whether anybody should have known it to be at work."""
        self._unhurried.discard(peer)
        if peer in self._outgoing:
            self._outgoing.remove(peer)
        if peer not in self.members:
            return False
        self.members.remove(peer)
        self._count_death()
        return True

    def retire_idle(self) -> None:
        """Retire those that have nothing to do."""
        for peer in [one for one in self.members if not (one.busy or self._coming[one])]:
            self.members.remove(peer)
            self._base.retire(peer)

    # -- inside ----------------------------------------------------------------------------------------------

    @property
    def _following(self) -> int:
        return sum(not follower.cancelling() for follower in self._followers)

    def _up(self) -> list[Peer]:
        """List those that take new work; who does not read what it is told only if all are like that."""
        up = [peer for peer in self.members if self.takes(peer)]
        return [peer for peer in up if peer.listens] or up

    def _choose(self, instances: Sequence[int]) -> dict[int, Peer]:
        up = self._up()
        chosen = {key: peer for peer in up if peer.hot for key in instances if key in peer.hot}
        more = Counter(chosen.values())
        loads = [(peer.work + self._coming[peer] + more[peer], n) for n, peer in enumerate(up)]
        heapq.heapify(loads)
        for key in instances:
            if key not in chosen:
                load, n = loads[0]
                heapq.heapreplace(loads, (load + 1, n))
                chosen[key] = up[n]
        return chosen

    async def _begin(self) -> Peer:
        """Bring the first one up, unless new code brings one along meanwhile."""
        await self._pause()
        while (known := self.idlest()) is None:
            renewals = self._renewals
            try:
                peer = await self._base.launch(self._version)
            except WflowError as broken:
                known = self.idlest()
                if known is not None:
                    return known
                if isinstance(broken, LinkError):
                    self._count_death()
                raise
            is_missed = self.idlest() is None or len(self.members) < self._room
            if renewals == self._renewals and is_missed:
                self.members.append(peer)
                return peer
            peer.kill()
            await peer.gone()
        return known

    def _begun(self, task: asyncio.Task[Peer]) -> None:
        if self._first is task:
            self._first = None
        if not task.cancelled():
            task.exception()  # whoever waited for it has it; and it may be that nobody does any more

    def _follow(self, count: int) -> None:
        for _ in range(count):
            follower = self._loop.create_task(self._join())
            self._followers.add(follower)
            follower.add_done_callback(self._joined)

    async def _join(self) -> None:
        """Bring one more up."""
        await self._pause()
        try:
            peer = await self._base.launch(self._version)
        except LoadError as broken:
            # What loads once and not twice, for it takes a port or the like, will not do so later.
            self._room = max(1, len(self.members))
            which = f"version {self._version} cannot be loaded in one more process, so it has {self._room}"
            self._base.tell("warn", f"{which}: {broken.message}")
        except LinkError as broken:
            self._count_death()
            self._base.tell("warn", f"one more process of version {self._version}: {broken.message}")
        else:
            if len(self.members) < self._room:
                self.members.append(peer)
                self._base.joined(peer)
            else:
                self._base.retire(peer)

    def _joined(self, task: asyncio.Task[None]) -> None:
        self._followers.discard(task)
        if not task.cancelled() and (broken := task.exception()) is not None:
            self._base.tell("error", f"one more process of version {self._version}: {broken!r}")
        self._relieve()

    def _relieve(self) -> None:
        """Retire those whose places are taken, or will not be."""
        while len(self._outgoing) > self._following:
            peer = self._outgoing.pop(0)
            self._base.retire(peer, RENEWAL_S if peer in self._unhurried else None)
            self._unhurried.discard(peer)

    async def _pause(self) -> None:
        """Wait for as long as the deaths before it ask for, or until there is new code."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACKOFF_S[min(self._deaths, len(BACKOFF_S) - 1)]):
                await self._renewed.wait()

    def _count_death(self) -> None:
        now = self._loop.time()
        self._deaths = 1 if now - self._died_at > STEADY_S else self._deaths + 1
        self._died_at = now
