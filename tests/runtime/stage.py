"""A stage for one turn: a small runner, whose store is a list and whose process dies where it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests import residency
from tests.residency import CUTTING, RESIDENT
from wflow.engine import facts, values
from wflow.engine.changes import Ended, Held, Rested, Rolling, Told
from wflow.engine.facts import Moved, Received, Settled
from wflow.engine.requests import is_request
from wflow.engine.status import PAUSED, QUEUED
from wflow.engine.steps.rollback import PREFIX
from wflow.link import frames
from wflow.runtime import event
from wflow.runtime.clock import now
from wflow.runtime.context import Context
from wflow.runtime.failures import error_of
from wflow.runtime.home import State
from wflow.runtime.outbox import Outbox
from wflow.runtime.output import Output
from wflow.runtime.streamed import Pieces
from wflow.runtime.together import Together
from wflow.runtime.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Failure, RolledBack

    Run = Callable[..., Coroutine[Any, Any, object]]
    Script = Callable[["Stage"], Awaitable[None]]

PATIENCE_S = 10.0
INSTANCE = 7
CREATED = 1_790_000_000_123


@dataclass(kw_only=True)
class Stage:
    """A `Home`, and the runner behind it, for one instance.

    ``crash_at`` are the numbers of commits (from 0) that the process dies before; after ``crash_after`` it
    dies once the commit is kept, before anybody hears of it. ``cold`` forgets the turn whenever it rests;
    in another ``mode`` than resident it is forgotten more often (see `tests.residency`). ``linger_s`` is when
    what goes on is announced; never, if None. ``call`` keeps the pieces of streams.
    """

    run: Run
    params: object = field(default_factory=dict)
    crash_at: Collection[int] = ()
    crash_after: Collection[int] = ()
    cold: bool = False
    mode: str = field(default_factory=residency.mode_now)
    linger_s: float | None = None
    step_limit: int = 10_000
    journal: list[bytes] = field(default_factory=list)
    call: Any = None

    draining: bool = False
    commits: int = 0
    starts: int = 0
    released: int = 0
    seed: bytes = b"0123456789abcdef"
    pausing: bool = False
    rolling: Rolling | None = None
    told: int = 0
    shown: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    change: Ended | Held | Rested | None = None
    printed: list[frames.Printed] = field(default_factory=list)
    pending: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = list(self.journal)
        self.pending = list(self.pending)
        self._settled = {fact.key for fact in self.facts if isinstance(fact, Settled)}

    def begin(self) -> None:
        """Set the stage on the running loop, and start the first turn."""
        self._loop = asyncio.get_running_loop()
        self.threads = ThreadPoolExecutor(8)
        self.pieces = Pieces(self.call)
        self.together = Together()
        self.output = Output(self._loop, self.printed.append)
        self._epoch = 0
        self._events = 0
        self._died = False
        self._over = self._loop.create_future()
        self._news = asyncio.Event()
        self._wakes: asyncio.TimerHandle | None = None
        self.turn = self._start()
        self._tell(self.turn.play)

    async def end(self) -> None:
        """Wait until the instance is over, held or released for good."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.shield(self._over)

    async def until(self, what: Callable[[], object]) -> None:
        """Wait until something is so; it is looked at after each commit, and now and then."""
        async with asyncio.timeout(PATIENCE_S):
            while not what():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.002):
                        await self._news.wait()
                except TimeoutError:
                    pass

    def close(self) -> None:
        """Let go of everything."""
        if self._wakes is not None:
            self._wakes.cancel()
        self.turn.drop()
        self.threads.shutdown(wait=False, cancel_futures=True)

    # -- what the runner does ------------------------------------------------------------------------------

    def send(self, type_: str, payload: object = None) -> None:
        """Deliver an event, as the runner does."""
        self._events += 1
        arrived = Received(self._events, type_, values.encode(payload), now(), 0)
        self.pending.append(arrived)
        if is_request(type_):
            self.pausing = False  # a pause ends, or does not come, for that
        if isinstance(self.change, Rested):
            if type_ in self.change.awaits or is_request(type_):
                self._loop.call_soon(self._wake)
        else:
            self._tell(lambda: self.turn.receive(arrived))

    def pause(self) -> None:
        """Tell it to pause; it does when nothing of it runs any more."""
        self.pausing = True
        self._tell(lambda: self.turn.steer(pausing=True))

    def unpause(self) -> None:
        """Tell it to go on, whether it has paused already or not."""
        paused, self.pausing = self.paused, False
        if paused:
            self.change = None
            self._record(Moved(QUEUED, now()))
            self.evict()
        else:
            self._tell(lambda: self.turn.steer(pausing=False))

    @property
    def paused(self) -> bool:
        """Whether it has come to rest because it was told to pause."""
        return self.pausing and isinstance(self.change, Rested)

    @property
    def running(self) -> Collection[str]:
        """The keys of the steps that are being called, or are about to be."""
        return () if self.turn.state is State.OVER else self.turn.steps.running.attempts.keys()

    def drain(self) -> None:
        """Replace the runtime: nothing new begins, and the instance comes back."""
        self.draining = True
        self._tell(self.turn.drain)

    def claim(self) -> None:
        """Play on from the journal, in a new process."""
        self.draining = False
        self.change = None
        self._again()

    def crash(self) -> None:
        """Kill the process, and start another one on what is kept."""
        self.turn.drop()
        self._died = True
        self._again()

    def evict(self) -> None:
        """End the process in good order, and start another one on what is kept."""
        self.turn.drop()
        self._again()

    # -- what the turn uses --------------------------------------------------------------------------------

    def began(self, turn: Turn, key: str) -> None:
        if self.linger_s is not None:
            self._loop.call_later(self.linger_s, turn.announce, key)

    def rested(self, turn: Turn) -> None:
        pass

    def left(self, turn: Turn, *, released: bool) -> None:
        self.released += released
        self._news.set()

    # -- inside --------------------------------------------------------------------------------------------

    def _again(self) -> None:
        self.turn = self._start()
        self._tell(self.turn.play)

    def _start(self) -> Turn:
        self.starts += 1
        box: list[Outbox] = []
        self.outbox = Outbox(lambda commit: self._sent(commit, box[0]))
        box.append(self.outbox)
        return Turn(self._spec(list(self.journal)), self, self._coroutine, step_limit=self.step_limit)

    def _coroutine(self, turn: Turn) -> Coroutine[Any, Any, object]:
        return self.run(event.opening(self._spec(None)), Context(turn.code, self.output))

    def _spec(self, records: list[bytes] | None) -> frames.Turn:
        if records is None or records == self.journal:
            self._epoch += 1
        died, self._died = self._died, False
        return frames.Turn(
            instance=INSTANCE,
            epoch=self._epoch,
            workflow="flow",
            id="order-1",
            created_at=CREATED,
            params=values.encode(self.params),
            seq=len(self.journal),
            records=records,
            events=list(self.pending),
            started_at=CREATED + 1_000,
            seed=self.seed,
            pausing=self.pausing,
            died=died,
            shown=values.encode(self.shown) if self.shown else None,
        )

    def _sent(self, commit: frames.Commit, sender: Outbox) -> None:
        if sender is not self.outbox or self._over.done():
            return
        number = self.commits
        self.commits += 1
        if number in self.crash_at:
            self.crash()
            return
        self._keep(commit)
        if number in self.crash_after:
            if isinstance(self.change, Rested | None):
                self.change = None
                self.crash()
            return
        if self._lets_go(commit):
            self.evict()
            return
        self._loop.call_soon(sender.acked, commit.batch, [])
        if self.paused:
            self._record(Moved(PAUSED, now()))
        elif isinstance(self.change, Rested):
            wakes = (*self.change.awaits,)
            awaited = any(one.type in wakes or is_request(one.type) for one in self.pending)
            delay_ms = 0 if awaited else max(0, self.change.wake_at - now())
            # After the ack, which is under way already.
            self._wakes = self._loop.call_later(delay_ms / 1000, self._wake)

    def _lets_go(self, commit: frames.Commit) -> bool:
        """Whether the turn is forgotten here, and what it said is what the next one is played from."""
        if self.mode == RESIDENT or self.change is not None or self.draining or self.pausing:
            return False
        if not residency.advances(facts.decode(row[-1]) for row in commit.rows):
            return False
        said_all = self.turn.machine.seq == len(self.journal) and not self.running
        return said_all or self.mode == CUTTING

    def _keep(self, commit: frames.Commit) -> None:
        assert not isinstance(self.change, (Ended, Held)), "it is over, and appends more"
        for instance, seq, tag, at, raw in commit.rows:
            assert (instance, seq) == (INSTANCE, len(self.journal) + 1)
            fact = facts.decode(raw)
            assert (tag, at) == (facts.tag(fact), fact.at)
            self.journal.append(raw)
            if isinstance(fact, Settled):
                assert fact.key not in self._settled, "a step is settled twice"
                self._settled.add(fact.key)
        self.pending = [one for one in self.pending if one.event not in commit.received]
        for change in commit.changes:
            match change:
                case Rolling():
                    self.rolling = change
                    continue
                case Told(shown=shown, tags=tags):
                    self.told += 1
                    self.shown = self.shown if shown is None else values.decode(shown)  # type: ignore[assignment]
                    self.tags = self.tags if tags is None else tags
                    continue
            self.change = change
            if not isinstance(change, Rested) and not self._over.done():
                self._loop.call_soon(self._over.set_result, None)
        self._news.set()

    def _record(self, fact: Moved) -> None:
        self.journal.append(facts.encode(fact))

    def _wake(self) -> None:
        if self.paused or not isinstance(self.change, Rested):
            return
        if self._wakes is not None:
            self._wakes.cancel()
        self.change = None
        if self.cold or self.mode != RESIDENT or self.turn.state is not State.RESTING:
            self.evict()
        else:
            assert self._tell(lambda: self.turn.resume(self._spec(None)))

    def _tell(self, what: Callable[[], object]) -> object:
        try:
            return what()
        except Exception as error:
            self.turn.broke(error)
            raise

    @property
    def facts(self) -> list[Fact]:
        """The journal."""
        return [facts.decode(raw) for raw in self.journal]


@dataclass(frozen=True, kw_only=True)
class Played:
    """What is left when the curtain has fallen."""

    stage: Stage

    @property
    def result(self) -> Any:
        """What `run` returned; raises what it raised."""
        change = self.stage.change
        if isinstance(change, Ended) and change.output is not None:
            return values.decode(change.output)
        raise error_of(self.failure)

    @property
    def status(self) -> str:
        change = self.stage.change
        return change.status if isinstance(change, Ended) else type(change).__name__.lower()

    @property
    def failure(self) -> Failure:
        change = self.stage.change
        assert isinstance(change, (Ended, Held)), change
        assert change.failure is not None, change
        return change.failure

    @property
    def rolled_back(self) -> RolledBack | None:
        """How undoing its steps went, if that was done."""
        change = self.stage.change
        assert isinstance(change, Ended), change
        return change.rollback

    @property
    def undone(self) -> list[str]:
        """The keys of the steps whose rollbacks are over, in order."""
        ends = [fact for fact in self.facts if isinstance(fact, Settled) and fact.kind == "rollback"]
        return [fact.key.removeprefix(PREFIX) for fact in ends]

    @property
    def facts(self) -> list[Fact]:
        return self.stage.facts

    @property
    def moves(self) -> list[str]:
        """What became of its status; one that starts again and again says no more than that it runs."""
        told = [fact.status for fact in self.facts if isinstance(fact, Moved)]
        if self.stage.mode == RESIDENT:
            return told
        return [one for n, one in enumerate(told) if n == 0 or one != told[n - 1]]

    @property
    def told(self) -> list[str]:
        """The facts by name, without the changes of status."""
        return [type(fact).__name__ for fact in self.facts if not isinstance(fact, facts.Moved)]

    @property
    def settled(self) -> list[str]:
        """The keys of the steps that are over, in order."""
        return [fact.key for fact in self.facts if isinstance(fact, Settled)]

    @property
    def logged(self) -> list[str]:
        return [fact.message for fact in self.facts if isinstance(fact, facts.Logged)]

    @property
    def commits(self) -> int:
        return self.stage.commits


def play(run: Run, script: Script | None = None, **options: Any) -> Played:
    """Play a workflow to its end, while ``script`` does what the world does; options are the stage's."""

    async def perform() -> Played:
        stage = Stage(run=run, **options)
        stage.begin()
        try:
            if script is not None:
                await script(stage)
            await stage.end()
        finally:
            stage.close()
            await asyncio.sleep(0)
        return Played(stage=stage)

    return asyncio.run(perform())


def steps_of(count: int) -> Run:
    """Make a workflow of so many steps, one after the other, that gives the list of their values."""

    async def run(event: Any, ctx: Context) -> list[int]:
        return [await ctx.do("step", number, n) for n in range(count)]

    return run


async def number(n: int) -> int:
    return n


def current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task
