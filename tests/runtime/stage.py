"""A stage for one turn: a small runner, whose store is a list and whose process dies where it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wflow.engine import facts, values
from wflow.engine.changes import Ended, Held, Rested
from wflow.engine.facts import Received, Settled
from wflow.link import frames
from wflow.runtime import event
from wflow.runtime.clock import now
from wflow.runtime.context import Context
from wflow.runtime.failures import error_of
from wflow.runtime.home import State
from wflow.runtime.outbox import Outbox
from wflow.runtime.output import Output
from wflow.runtime.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Failure

    Run = Callable[..., Coroutine[Any, Any, object]]
    Script = Callable[["Stage"], Awaitable[None]]

PATIENCE_S = 10.0
INSTANCE = 7
CREATED = 1_790_000_000_123


@dataclass(kw_only=True)
class Stage:
    """A `Home`, and the runner behind it, for one instance.

    ``crash_at`` are the numbers of commits (from 0) that the process dies before; after ``crash_after`` it
    dies once the commit is kept, before anybody hears of it. ``cold`` forgets the turn whenever it rests.
    ``linger_s`` is when what goes on is announced; never, if None.
    """

    run: Run
    params: object = field(default_factory=dict)
    crash_at: Collection[int] = ()
    crash_after: Collection[int] = ()
    cold: bool = False
    linger_s: float | None = None
    step_limit: int = 10_000
    journal: list[bytes] = field(default_factory=list)

    draining: bool = False
    commits: int = 0
    starts: int = 0
    released: int = 0
    change: Ended | Held | Rested | None = None
    printed: list[frames.Printed] = field(default_factory=list)
    pending: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = list(self.journal)
        self.pending = list(self.pending)

    def begin(self) -> None:
        """Set the stage on the running loop, and start the first turn."""
        self._loop = asyncio.get_running_loop()
        self.threads = ThreadPoolExecutor(8)
        self.output = Output(self._loop, self.printed.append)
        self._epoch = 0
        self._events = 0
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
        if isinstance(self.change, Rested):
            if type_ in self.change.awaits:
                self._loop.call_soon(self._wake)
        else:
            self._tell(lambda: self.turn.receive(arrived))

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
        return self.run(event.opening(self._spec(None)), Context(turn, self.output))

    def _spec(self, records: list[bytes] | None) -> frames.Turn:
        if records is None or records == self.journal:
            self._epoch += 1
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
        self._loop.call_soon(sender.acked, commit.batch, [])
        if isinstance(self.change, Rested):
            awaited = any(one.type in self.change.awaits for one in self.pending)
            delay_ms = 0 if awaited else max(0, self.change.wake_at - now())
            # After the ack, which is under way already.
            self._wakes = self._loop.call_later(delay_ms / 1000, self._wake)

    def _keep(self, commit: frames.Commit) -> None:
        assert not isinstance(self.change, (Ended, Held)), "it is over, and appends more"
        for instance, seq, tag, at, raw in commit.rows:
            assert (instance, seq) == (INSTANCE, len(self.journal) + 1)
            fact = facts.decode(raw)
            assert (tag, at) == (facts.tag(fact), fact.at)
            self.journal.append(raw)
        keys = [fact.key for fact in self.facts if isinstance(fact, Settled)]
        assert len(keys) == len(set(keys)), "a step is settled twice"
        self.pending = [one for one in self.pending if one.event not in commit.received]
        for change in commit.changes:
            self.change = change
            if not isinstance(change, Rested) and not self._over.done():
                self._loop.call_soon(self._over.set_result, None)
        self._news.set()

    def _wake(self) -> None:
        if not isinstance(self.change, Rested):
            return
        if self._wakes is not None:
            self._wakes.cancel()
        self.change = None
        if self.cold or self.turn.state is not State.RESTING:
            self.crash()
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
    def facts(self) -> list[Fact]:
        return self.stage.facts

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
