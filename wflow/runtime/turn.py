"""One instance in one runtime: its machine, its coroutine on a loop of its own, and what goes on between them.

The one cycle: run the code until it is quiet; hand it the next outcome that is on disk, in journal order; when there is none left,
decide what its open steps need; say what became fact. Live or replaying, it is the same cycle.

A turn rests when nothing runs and no outcome is under way. It then holds no claim, but stays in memory for a while, so that the next
claim goes on where it stands.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Any, Protocol

from wflow.engine import facts, status, values
from wflow.engine.changes import Ended, Held, Rested
from wflow.engine.decisions import Park, Run
from wflow.engine.facts import Logged, Moved
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Ok
from wflow.engine.steps.sleep import Sleep
from wflow.errors import NonDeterminismError, TooLarge, UnserializableError, WorkflowInternalError
from wflow.runtime import event
from wflow.runtime.attempt import Attempt, Place
from wflow.runtime.clock import now
from wflow.runtime.failures import error_of, failure_of
from wflow.runtime.loop import Spinning, WorkflowLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

    from wflow.engine.changes import Change
    from wflow.engine.facts import Received
    from wflow.engine.machine import Seen
    from wflow.engine.outcome import Outcome
    from wflow.engine.steps import Step
    from wflow.link import frames
    from wflow.runtime.attempt import Body
    from wflow.runtime.outbox import Outbox

TIMER_NAME = "asyncio timer"
"""The step name of asyncio.sleep, timeout and wait_for in workflow code."""
EVICTIONS = 3
"""How often code may refuse to be cancelled before it is left where it is."""


class State(enum.Enum):
    """Whether the turn holds a claim and goes on, is at rest in memory, or is over."""

    PLAYING = enum.auto()
    RESTING = enum.auto()
    OVER = enum.auto()


class Home(Protocol):
    """What a turn uses of its runtime."""

    outbox: Outbox
    draining: bool

    @property
    def threads(self) -> Executor:
        """Where sync step bodies run."""
        ...

    def began(self, turn: Turn, key: str) -> None:
        """Hear that an attempt begins, to make a fact of it if it lasts."""
        ...

    def rested(self, turn: Turn) -> None:
        """Hear that the turn rests; it may be evicted from now on."""
        ...

    def left(self, turn: Turn, *, released: bool) -> None:
        """Hear that the turn is over here; ``released`` when its instance goes on elsewhere."""
        ...


class Turn:
    """See the module. ``start`` makes the coroutine that runs the user's `run`, given the turn."""

    def __init__(
        self,
        spec: frames.Turn,
        home: Home,
        start: Callable[[Turn], Coroutine[Any, Any, object]],
        *,
        step_limit: int,
    ) -> None:
        """Make a turn out of its claim, with its whole journal; `play` sets it going."""
        self.instance = spec.instance
        self.epoch = spec.epoch
        self.spec = spec
        self.state = State.PLAYING
        journal = [facts.decode(raw) for raw in spec.records or ()]
        self.machine = Machine(journal, seq=spec.seq, step_limit=step_limit)
        self.loop = WorkflowLoop(self, spec.created_at / 1000)  # type: ignore[abstract]
        self._home = home
        self._durable = spec.seq
        self._bodies: dict[str, Body] = {}
        self._futures: dict[str, asyncio.Future[Any]] = {}
        self._bells: dict[str, Callable[[], None]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._parks: dict[str, Park] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._diverged: NonDeterminismError | None = None
        self._task = self.loop.create_task(start(self))

    # -- what the runtime tells it -----------------------------------------------------------------------------

    def play(self) -> None:
        """Begin, or begin again, at the journal's start."""
        self.machine.move(Moved(status.RUNNING, now()))
        self._receive(self.spec.events)
        self._pump()

    def resume(self, spec: frames.Turn) -> bool:
        """Go on under a new claim from where it rests; False when it is not where the claim says."""
        if self.state is not State.RESTING or spec.seq != self._durable:
            return False
        self.state = State.PLAYING
        self.epoch = spec.epoch
        self.machine.move(Moved(status.RUNNING, now()))
        self._receive(spec.events)
        self._decide_due(every=True)
        self._say()
        return True

    def receive(self, arrived: Received) -> None:
        """Take an event in; at rest the store keeps it for the next claim."""
        if self.state is State.PLAYING:
            self._receive([arrived])
            self._decide_due(every=True)
            self._say()

    def acked(self, seq: int) -> None:
        """Hear that the facts up to ``seq`` are on disk: their outcomes may be seen now."""
        self._durable = max(self._durable, seq)
        if self.state is State.PLAYING:
            self._pump()

    def announce(self, key: str) -> None:
        """Make a fact of an attempt that has lasted a while, and mind its timeout."""
        attempt = self._attempts.get(key)
        if self.state is State.PLAYING and attempt is not None:
            attempt.watch()
            self.machine.announce([key])
            self._say()

    def drop(self) -> None:
        """End here and now: the claim is over, or the turn is evicted. Nothing is said."""
        self._leave(released=False)

    def drain(self) -> None:
        """Begin nothing new, and be released as soon as nothing runs."""
        if self.state is State.RESTING:
            self.drop()
        elif self.state is State.PLAYING:
            self._say()

    # -- what the code does ------------------------------------------------------------------------------------

    async def step(self, step: Step, body: Body | None = None, digest: bytes = b"") -> object:
        """Do one step: give its value, or raise its error, when its outcome is on disk."""
        if asyncio._get_running_loop() is not self.loop:  # noqa: SLF001 - unlike the public one, it does not raise
            message = (
                f"step {step.name!r} is asked for inside another step, or outside `run`; "
                "steps do not nest: return the value, and do the next step in `run`"
            )
            raise RuntimeError(message)
        if self.state is not State.PLAYING:
            raise asyncio.CancelledError
        future: asyncio.Future[Any] = self.loop.create_future()
        try:
            key = self.machine.open(step, now(), digest)
        except NonDeterminismError as diverged:
            self._diverged = diverged
            return await future
        if body is not None:
            self._bodies[key] = body
        self._futures[key] = future
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(key)
            raise

    def set_timer(self, delay_ms: int, ring: Callable[[], None]) -> Callable[[], None]:
        """Keep a timer of the loop as a step."""
        try:
            key = self.machine.open(Sleep(TIMER_NAME, delay_ms), now())
        except NonDeterminismError as diverged:
            self._diverged = diverged
            return lambda: None
        self._bells[key] = ring
        return lambda: self._forget(key)

    def log(self, level: str, message: str, detail: dict[str, object]) -> None:
        """Append a log line, once however often the code replays."""
        if self.state is State.PLAYING:
            self.machine.log(Logged(level, message, now(), detail))

    # -- the cycle ---------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        machine, loop = self.machine, self.loop
        try:
            loop.run()
            while self._diverged is None and not self._task.done():
                seen = machine.next(self._durable)
                if seen is None:
                    break
                self._hand(seen)
                loop.run()
        except NonDeterminismError as diverged:
            self._diverged = diverged
        except Spinning as spinning:
            self._end(Err(failure_of(WorkflowInternalError(str(spinning)))))
            return
        if self._diverged is not None:
            self._hold(self._diverged)
        elif self._task.done():
            self._finish()
        else:
            if not machine.replaying and not self._home.draining:
                for key in machine.undecided():
                    self._decide(key)
            self._say()

    def _hand(self, seen: Seen) -> None:
        """Let the code see an outcome."""
        key = seen.key
        self.loop.now = max(self.loop.now, seen.at / 1000)
        self._bodies.pop(key, None)
        self._parks.pop(key, None)
        ring = self._bells.pop(key, None)
        if ring is not None:
            ring()
            return
        future = self._futures.pop(key)
        if future.done():
            return
        match seen.outcome:
            case Ok(raw):
                future.set_result(values.decode(raw) if seen.event is None else event.arrived(seen.event))
            case Err(failure):
                future.set_exception(error_of(failure))

    def _decide(self, key: str) -> None:
        match self.machine.decide(key, now()):
            case Run(attempt, timeout_ms):
                self._begin(key, attempt, timeout_ms)
            case Park() as park:
                self._parks[key] = park

    def _begin(self, key: str, attempt: int, timeout_ms: int) -> None:
        self._parks.pop(key, None)
        self.machine.begin(key, attempt, now())
        self._attempts[key] = Attempt(
            self._bodies[key],
            Place(self.instance, key),
            self._home.threads,
            timeout_ms=timeout_ms,
            done=lambda outcome: self._report(key, outcome),
        )
        self._home.began(self, key)

    def _report(self, key: str, outcome: Outcome) -> None:
        del self._attempts[key]
        self.machine.report(key, outcome, now())
        if isinstance(outcome, Err) and not self._home.draining:
            self._decide(key)
        self._say()

    def _receive(self, arrived: list[Received]) -> None:
        at = now()
        for one in arrived:
            self.machine.receive(facts.Received(one.event, one.type, one.payload, one.sent_at, at))

    def _decide_due(self, *, every: bool = False) -> None:
        """Decide parked steps again: those whose time has come, or every one after an event or a rest."""
        at = now()
        due = [(park.until, key) for key, park in self._parks.items() if every or park.until <= at]
        # A stable sort: of steps due at the same instant, the one the code asked for first goes first.
        for _, key in sorted(due, key=lambda one: one[0]):
            del self._parks[key]
            self._decide(key)

    def _say(self) -> None:
        """Commit what became fact; rest, or be released, when nothing goes on."""
        idle = not self._attempts and not self.machine.awaiting
        if idle and self._home.draining:
            self._release()
        elif idle and not self.machine.replaying:
            self._rest()
        else:
            self._commit()
            self._set_alarm()

    def _commit(self, change: Change | None = None) -> None:
        new = self.machine.take()
        if new or change is not None:
            self._home.outbox.add(self, new, last_seq=self.machine.seq, change=change)

    def _rest(self) -> None:
        if not self._parks:
            stuck = WorkflowInternalError("the workflow waits for something that no step, event or timer can bring")
            self._end(Err(failure_of(stuck)))
            return
        at = now()
        self.machine.announce(self._parks)
        wake_at = min(park.until for park in self._parks.values())
        awaits = sorted({park.event for park in self._parks.values() if park.event is not None})
        self.machine.move(Moved(status.WAITING, at, detail={"until": wake_at}))
        self.state = State.RESTING
        self._silence()
        self._commit(Rested(self.instance, at, wake_at, awaits))
        self._home.rested(self)

    def _release(self) -> None:
        """Hand the instance back; whatever was said must be on disk first."""
        self._commit()
        if self._durable == self.machine.seq:
            self._leave(released=True)

    def _finish(self) -> None:
        task = self._task
        if task.cancelled():
            self._end(Err(failure_of(asyncio.CancelledError("the workflow cancelled itself"))))
        elif (error := task.exception()) is not None:
            self._end(Err(failure_of(error)))
        else:
            try:
                self._end(Ok(values.encode(task.result())))
            except (UnserializableError, TooLarge) as wrong:
                told = type(wrong)(f"`run` returned what cannot be kept: {wrong}")
                self._end(Err(failure_of(told)))

    def _end(self, outcome: Outcome) -> None:
        at = now()
        match outcome:
            case Ok(output):
                self.machine.move(Moved(status.COMPLETE, at))
                change = Ended(self.instance, at, status.COMPLETE, output)
            case Err(failure):
                self.machine.move(Moved(status.ERRORED, at, failure=failure))
                change = Ended(self.instance, at, status.ERRORED, None, failure)
        self._commit(change)
        self._leave(released=False)

    def _hold(self, diverged: NonDeterminismError) -> None:
        """Pause the instance: its code and its journal contradict each other, and wflow does not guess."""
        at = now()
        failure = failure_of(diverged)
        self.machine.discard()
        self.machine.move(Moved(status.PAUSED, at, failure=failure))
        self._commit(Held(self.instance, at, failure))
        self._leave(released=False)

    # -- letting go --------------------------------------------------------------------------------------------

    def _forget(self, key: str) -> None:
        """The code gave a step up before it saw its outcome."""
        if self.state is not State.PLAYING:
            return
        self.machine.close(key)
        for kept in (self._futures, self._bodies, self._bells, self._parks):
            kept.pop(key, None)
        attempt = self._attempts.pop(key, None)
        if attempt is not None:
            attempt.give_up()

    def _set_alarm(self) -> None:
        """Wake by ourselves for a parked step while another one keeps the turn going."""
        self._silence()
        if self._parks:
            until = min(park.until for park in self._parks.values())
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(max(0, until - now()) / 1000, self._ring)

    def _ring(self) -> None:
        if self.state is State.PLAYING and not self._home.draining:
            self._decide_due()
            self._say()

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _leave(self, *, released: bool) -> None:
        if self.state is State.OVER:
            return
        self.state = State.OVER
        self._silence()
        for attempt in self._attempts.values():
            attempt.give_up()
        self._attempts.clear()
        self._evict()
        self._home.left(self, released=released)

    def _evict(self) -> None:
        """Leave user code by cancellation; code that will not go is dropped after a few rounds."""
        for _ in range(EVICTIONS):
            living = [task for task in self.loop.tasks if not task.done()]
            if not living:
                break
            for task in living:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
                task.cancel()
            try:
                self.loop.run()
            except Spinning:
                break
        for task in list(self.loop.tasks):
            if task.done() and not task.cancelled():
                task.exception()  # looked at, so that asyncio does not complain of it
