"""Rehearsals: journals of unfinished instances played against another version before it gets any of them.

They are played in a process that is thrown away: whatever the code does there, nobody else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from wflow.engine import facts, status
from wflow.engine.divergence import Verdict
from wflow.engine.facts import Moved
from wflow.engine.outcome import Failure
from wflow.errors import LinkError, WorkflowInternalError, WorkflowNotFound
from wflow.runner import translate
from wflow.runner.peer import Peer
from wflow.stores import moves
from wflow.stores.store import Claim, Instance
from wflow.wire import types

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from wflow.link import frames
    from wflow.runner.fleet import Fleet
    from wflow.runner.registry import Build, Registry
    from wflow.stores.store import Past, Store

SAMPLE: Final = 100
"""Instances of a Worker that are tried unless more are asked for."""
PAGE: Final = 50
"""Instances that are read at a time."""
NEWEST_QUEUED: Final = 1_000
"""Queued instances among which a sample looks for those that have begun; most have not."""
BLOCKED: Final = 3
"""After so many journals over which the code did not come to rest, or died, the others are not tried."""
BUDGET_S: Final = 60.0
"""How long one round may take; whoever wants to know more asks for the rest."""
AT_ONCE: Final = 2
"""Processes that rehearse on one runner at once."""
EACH_S: Final = 10.0
"""How long one journal may take; code that blocks would hold the others for ever."""
IDLE_S: Final = 5.0
"""How long a process is kept for the next rehearsal on the same code."""

UNFINISHED: Final = tuple(one for one in status.ALL if one not in status.ENDED)
_LAST: Final = 2**62
_STOPPING: Final = "the runner is stopping"


class Builds(Protocol):
    """Where builds come from."""

    def keeping(self, worker: str, version: str) -> AbstractAsyncContextManager[Build]:
        """Give a build of a Worker, live or not, which is not let go of meanwhile.

        Raises WorkerNotFound, VersionNotFound, LoadError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One instance as it was tried: its journal up to ``seq``, and how that fits.

    ``diverged`` says that it is paused because code and journal contradict each other.
    """

    instance: Instance
    seq: int
    diverged: bool
    verdict: Verdict

    def shown(self) -> types.Rehearsal:
        """Give what is told of it."""
        one = self.instance
        return types.Rehearsal(
            workflow=one.workflow, id=one.id, version=one.version, status=one.status, verdict=self.verdict
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Those that were tried, of ``total`` unfinished ones; ``after`` is where to go on, None is nowhere."""

    tried: list[Tried]
    total: int
    after: int | None = None

    def shown(self) -> types.Rehearsals:
        """Give what is told of it."""
        return types.Rehearsals(tried=[one.shown() for one in self.tried], total=self.total, after=self.after)


class Rehearsals:
    """Plays journals against builds, in a process of its own for each build."""

    def __init__(self, store: Store, registry: Registry, fleet: Fleet) -> None:
        """Read journals of ``store``; processes get the hash seed of the ``fleet``."""
        self._store = store
        self._registry = registry
        self._fleet = fleet
        self._room = asyncio.Semaphore(AT_ONCE)
        self._kept: Trial | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._trials: set[Trial] = set()
        self._closed = False
        self._ending: set[asyncio.Task[None]] = set()

    async def many(
        self,
        build: Build,
        *,
        limit: int | None = SAMPLE,
        after: int | None = None,
        states: Sequence[str] = UNFINISHED,
        before: int = _LAST,
    ) -> Round:
        """Try the unfinished instances of a build's Worker that began ``before`` a time, newest first.

        At most ``limit`` of them, from beyond the key ``after`` and in these ``states``; None is all, as far
        as `BUDGET_S` goes. Raises LoadError and LinkError when the code does not even load.
        """
        workflows = [one.name for one in self._registry.workflows() if one.script_name == build.worker]
        total = await self._total(workflows)
        if not total:
            return Round(tried=[], total=0)
        ends = asyncio.get_running_loop().time() + BUDGET_S
        tried: list[Tried] = []
        blocked = 0
        queued = _LAST if limit is None else NEWEST_QUEUED
        async with (
            self._trial(build) as trial,
            contextlib.aclosing(_begun(self._store, workflows, states, after=after, queued=queued)) as found,
        ):
            async for instance in found:
                if (instance.started_at or 0) >= before:
                    continue
                one = await self._try(trial, instance)
                if one is None:
                    continue
                tried.append(one)
                blocked += trial.ended
                if blocked >= BLOCKED:
                    break
                late = asyncio.get_running_loop().time() >= ends
                if late or len(tried) == limit:
                    return Round(tried=tried, total=total, after=instance.key)
        return Round(tried=tried, total=total)

    async def one(self, build: Build, instance: Instance) -> Tried:
        """Try one instance as it is now; one that has no journal yet fits."""
        async with self._trial(build) as trial:
            tried = await self._try(trial, instance)
        nothing = Verdict(heard=0, recorded=0)
        return tried or Tried(instance=instance, seq=0, diverged=False, verdict=nothing)

    async def let_go(self) -> None:
        """End the process that is kept, if there is one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await self._end(kept)

    async def close(self) -> None:
        """End all processes, whatever they play; none is started any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._kept = None
        await asyncio.gather(*(self._end(trial) for trial in list(self._trials)), *self._ending)

    async def _try(self, trial: Trial, instance: Instance) -> Tried | None:
        past = (await self._store.load({instance.key: 0}))[instance.key]
        if not past.records:
            return None
        verdict = await trial.play(instance, past)
        return Tried(instance=instance, seq=past.seq, diverged=_diverged(past.records), verdict=verdict)

    async def _total(self, workflows: Sequence[str]) -> int:
        counts = [await self._store.counts(name) for name in workflows]
        return sum(each.get(one, 0) for each in counts for one in UNFINISHED)

    @contextlib.asynccontextmanager
    async def _trial(self, build: Build) -> AsyncIterator[Trial]:
        """Have a process for a build; it is kept for a while when it is in order."""
        async with self._room:
            if self._closed:
                raise LinkError(_STOPPING)
            kept = self._kept
            if kept is not None and kept.build == build:
                self._kept = None
                trial = kept
            else:
                trial = Trial(build, self._fleet)
                self._trials.add(trial)
            try:
                yield trial
            except BaseException:
                await self._end(trial)
                raise
            await self._keep(trial)

    async def _keep(self, trial: Trial) -> None:
        if self._closed:
            await self._end(trial)
            return
        before, self._kept = self._kept, trial
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._idle)
        if before is not None:
            await self._end(before)

    async def _end(self, trial: Trial) -> None:
        self._trials.discard(trial)
        await trial.close()

    def _idle(self) -> None:
        task = asyncio.get_running_loop().create_task(self.let_go())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class Trial:
    """A process that plays journals against a build and does nothing else; it comes up with the first one.

    ``ended`` says that it had to be ended over the last one.
    """

    def __init__(self, build: Build, fleet: Fleet) -> None:
        """Make one that is not up yet."""
        self.build = build
        self.ended = False
        self._fleet = fleet
        self._declared = {entry.name for entry in build.manifest.workflows}
        self._peer: Peer | None = None
        self._over = False

    async def play(self, instance: Instance, past: Past) -> Verdict:
        """Play a journal; raises LoadError and LinkError when the process does not come up."""
        self.ended = False
        if instance.workflow not in self._declared:
            return _undeclared(instance.workflow, self.build)
        peer = await self._up()
        try:
            async with asyncio.timeout(EACH_S):
                return await peer.rehearse(_turn(instance, past))
        except TimeoutError:
            why = f"the code did not come to rest within {EACH_S:.0f} s: it blocks, or has much to do"
        except LinkError as broken:
            why = f"the process did not live through it: {broken.message}"
        self.ended = True
        await self._bury()
        return Verdict(heard=0, recorded=0, failure=Failure(WorkflowInternalError.__name__, why))

    async def close(self) -> None:
        """End the process; it does not come up any more."""
        self._over = True
        await self._bury()

    async def _bury(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.kill()
            await peer.gone()

    async def _up(self) -> Peer:
        if self._peer is not None and self._peer.alive:
            return self._peer
        await self._bury()
        if self._over:
            raise LinkError(_STOPPING)
        peer = self._peer = Peer(_Nobody())
        try:
            await peer.start(self.build.folder, hash_seed=self._fleet.hash_seed)
            await peer.load(self.build)
        except BaseException:
            await self._bury()
            raise
        return peer


class _Nobody:
    """Hears a process whose prints and calls are nobody's concern."""

    def heard(self, peer: Peer, message: frames.ToRunner) -> None:
        """Take no notice."""

    def died(self, peer: Peer) -> None:
        """Take no notice."""


class _Source:
    """The instances of one workflow in one status, newest first, a page at a time."""

    def __init__(self, store: Store, workflow: str, state: str, *, after: int | None, most: int) -> None:
        self._store = store
        self._workflow = workflow
        self._status = state
        self._after = after
        self._left = most
        self._page: deque[Instance] = deque()
        self._over = False

    async def head(self) -> Instance | None:
        """Look at the next one."""
        if not self._page and not self._over:
            limit = min(PAGE, self._left)
            found = (
                await self._store.find(self._workflow, status=self._status, after=self._after, limit=limit)
                if limit
                else []
            )
            self._page.extend(found)
            self._left -= len(found)
            self._over = len(found) < PAGE
            self._after = found[-1].key if found else self._after
        return self._page[0] if self._page else None

    def take(self) -> None:
        """Go on to the one after it."""
        self._page.popleft()


async def _begun(
    store: Store, workflows: Sequence[str], states: Sequence[str], *, after: int | None, queued: int
) -> AsyncGenerator[Instance]:
    """Give instances in these states that have begun, newest first; one that moves meanwhile comes once."""
    sources = [
        _Source(store, name, one, after=after, most=queued if one == status.QUEUED else _LAST)
        for name in workflows
        for one in states
    ]
    last = _LAST
    while True:
        heads = [(head.key, source, head) for source in sources if (head := await source.head()) is not None]
        if not heads:
            return
        key, source, instance = max(heads, key=lambda each: each[0])
        source.take()
        if key < last and instance.started_at is not None:
            last = key
            yield instance


def _turn(instance: Instance, past: Past) -> frames.Turn:
    """Make a turn that nobody has claimed."""
    claim = Claim(
        key=instance.key,
        epoch=0,
        workflow=instance.workflow,
        id=instance.id,
        version=instance.version,
        created_at=instance.created_at,
        params=instance.params,
        seq=past.seq,
        has_events=False,
        started_at=instance.started_at or 0,
        seed=instance.seed,
        shown=instance.shown,
    )
    return translate.turn(claim, past.records, [])


def _undeclared(workflow: str, build: Build) -> Verdict:
    text = f"version {build.version} does not declare workflow {workflow!r}"
    return Verdict(heard=0, recorded=0, failure=Failure(WorkflowNotFound.__name__, text))


def _diverged(records: Sequence[bytes]) -> bool:
    """Tell whether the last change of status was a pause because of a divergence."""
    for raw in reversed(records):
        fact = facts.decode(raw)
        if isinstance(fact, Moved):
            return moves.diverged(fact)
    return False
