"""One instance in one runtime: its machine, its coroutine on its own loop, and what goes on between them.

The one cycle: run the code until it is quiet; hand it the next outcome that is on disk, in journal order;
when there is none left, decide what its open steps need; say what became fact. Live or replaying, it is the
same cycle.

A turn rests when nothing runs and no outcome is under way. It then holds no claim, but stays in memory for
a while, so that the next claim goes on where it stands.
"""

from __future__ import annotations

import asyncio
import contextvars
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from wflow.engine import facts, status
from wflow.engine.changes import Ended, Held, Rested
from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.facts import Logged, Moved
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Ok
from wflow.engine.steps.sleep import Sleep
from wflow.errors import NonDeterminismError, NonRetryableError, TooMany, WorkflowInternalError
from wflow.runtime.attempt import Attempt, Place, here
from wflow.runtime.clock import now
from wflow.runtime.failures import error_of, failure_of, outcome_of
from wflow.runtime.home import OVER, PLAYING, RESTING, State
from wflow.runtime.loop import Spinning, WorkflowLoop
from wflow.runtime.parked import Alarm, Parked
from wflow.runtime.returned import read

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from wflow.engine.changes import Change
    from wflow.engine.decisions import Decision
    from wflow.engine.facts import Received
    from wflow.engine.machine import Seen
    from wflow.engine.outcome import Outcome
    from wflow.engine.steps import Step
    from wflow.link import frames
    from wflow.runtime.attempt import Body
    from wflow.runtime.home import Home

TIMER_NAME: Final = "asyncio timer"
"""The step name of asyncio.sleep, timeout and wait_for in workflow code."""
STUCK: Final = (
    "the workflow waits for something that no step, event or timer can bring; "
    "I/O, threads and futures from elsewhere belong in a step (ctx.do)"
)


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
        self.state: State = PLAYING
        journal = [facts.decode(raw) for raw in spec.records or ()]
        self.machine = Machine(journal, seq=spec.seq, step_limit=step_limit)
        self.loop = WorkflowLoop(self, spec.created_at / 1000)  # type: ignore[abstract]
        self._home = home
        self._durable = spec.seq
        self._arrived: Sequence[Received] = spec.events
        self._bodies: dict[str, Body] = {}
        self._futures: dict[str, asyncio.Future[Any]] = {}
        self._bells: dict[str, Callable[[], None]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._parked = Parked()
        self._alarm = Alarm(self._ring)
        self._diverged: NonDeterminismError | None = None
        context = contextvars.copy_context()
        context.run(here.set, Place(spec.instance, ""))
        self._task = self.loop.create_task(start(self), context=context)

    # -- what the runtime tells it -------------------------------------------------------------------------

    def play(self) -> None:
        """Begin, or begin again, at the journal's start."""
        self.machine.move(Moved(status.RUNNING, now()))
        arrived, self._arrived = self._arrived, ()
        self._receive(arrived)
        self._pump()

    def resume(self, spec: frames.Turn) -> bool:
        """Go on under a new claim from where it rests; False when it is not where the claim says."""
        if self.state is not RESTING or spec.seq != self._durable:
            return False
        self.state = PLAYING
        self.epoch = spec.epoch
        self.machine.move(Moved(status.RUNNING, now()))
        self._receive(spec.events)
        self._decide_due()
        self._say()
        return True

    def receive(self, arrived: Received) -> None:
        """Take an event in; at rest the store keeps it for the next claim."""
        if self.state is PLAYING:
            self._receive([arrived])
            self._say()

    def acked(self, seq: int) -> None:
        """Hear that the facts up to ``seq`` are on disk: their outcomes may be seen now."""
        self._durable = max(self._durable, seq)
        if self.state is PLAYING:
            self._pump()

    def announce(self, key: str) -> None:
        """Make a fact of an attempt or a wait that has lasted a while, and mind the attempt's timeout."""
        attempt = self._attempts.get(key)
        if self.state is not PLAYING or (attempt is None and key not in self._parked):
            return
        if attempt is not None:
            attempt.watch()
        self.machine.announce([key])
        self._say()

    def drop(self) -> None:
        """End here and now: the claim is over, or the turn is evicted. Nothing is said."""
        self._leave(released=False)

    def drain(self) -> None:
        """Begin nothing new, and be released as soon as nothing runs."""
        if self.state is RESTING:
            self.drop()
        elif self.state is PLAYING:
            self._say()

    def broke(self, error: Exception) -> None:
        """Hear that wflow itself failed here: the instance is paused, and the others go on."""
        traceback.print_exception(error)
        try:
            if self.state is PLAYING:
                self._hold(WorkflowInternalError(f"wflow failed inside this instance: {error!r}"))
        finally:
            self.drop()

    # -- what the code does --------------------------------------------------------------------------------

    def step(self, step: Step, body: Body | None = None, digest: bytes = b"") -> Coroutine[Any, Any, object]:
        """Do one step: give its value, or raise its error, when its outcome is on disk.

        Raises NonRetryableError at once when the code at hand is not this turn's.
        """
        elsewhere = asyncio._get_running_loop() is not self.loop  # noqa: SLF001 - the public one may raise
        # Code that was evicted and is being collected runs on no loop at all; it may not be told no for ever.
        if elsewhere and (self.state is not OVER or self.loop.may_refuse()):
            raise NonRetryableError(
                f"step {step.name!r} is asked for inside another step, or outside `run`; "
                "steps do not nest: return the value, and do the next step in `run`"
            )
        return self._step(step, body, digest)

    def set_timer(self, delay_ms: int, ring: Callable[[], None]) -> Callable[[], None]:
        """Keep a timer of the loop as a step."""
        if self.state is not PLAYING:
            return lambda: None
        try:
            key = self.machine.open(Sleep(TIMER_NAME, delay_ms), now())
        except NonDeterminismError as diverged:
            self._diverged = diverged
            return lambda: None
        self._bells[key] = ring
        return lambda: self._forget(key)

    def log(self, level: str, message: str, detail: dict[str, object]) -> None:
        """Append a log line, once however often the code replays."""
        if self.state is PLAYING:
            self.machine.log(Logged(level, message, now(), detail))

    async def _step(self, step: Step, body: Body | None, digest: bytes) -> object:
        if self.state is not PLAYING:
            return await self.loop.farewell()
        future: asyncio.Future[Any] = self.loop.create_future()
        try:
            key = self.machine.open(step, now(), digest)
        except NonDeterminismError as diverged:
            self._diverged = diverged
            return await future
        except TooMany:
            await asyncio.sleep(0)  # code that catches this and tries on for ever must be seen to spin
            raise
        if body is not None:
            self._bodies[key] = body
        self._futures[key] = future
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(key)
            raise

    def _forget(self, key: str) -> None:
        """Let go of a step that the code gave up before it saw its outcome."""
        if self.state is not PLAYING:
            return
        self.machine.close(key)
        self._futures.pop(key, None)
        self._bodies.pop(key, None)
        self._bells.pop(key, None)
        self._parked.remove(key)
        attempt = self._attempts.pop(key, None)
        if attempt is not None:
            attempt.give_up()

    # -- the cycle -----------------------------------------------------------------------------------------

    def _pump(self) -> None:
        machine, loop, task = self.machine, self.loop, self._task
        try:
            loop.run()
            while self._diverged is None and (seen := machine.next(self._durable)) is not None:
                # What is left when the code has ended must be of steps that it asked for, and nothing else.
                if not task.done():
                    self._hand(seen)
                    loop.run()
        except NonDeterminismError as diverged:
            self._diverged = diverged
        except Spinning as spinning:
            self._end(Err(failure_of(WorkflowInternalError(str(spinning)))))
            return
        if self._diverged is not None:
            self._hold(self._diverged)
        elif task.done():
            self._end(outcome_of(task))
        else:
            if not machine.replaying and not self._home.draining:
                for key in machine.undecided():
                    self._decide(key)
            self._say()

    def _hand(self, seen: Seen) -> None:
        """Let the code see an outcome."""
        key = seen.key
        self.loop.now = max(self.loop.now, seen.at / 1000)
        body = self._bodies.pop(key, None)
        ring = self._bells.pop(key, None)
        if ring is not None:
            ring()
            return
        future = self._futures.pop(key)
        if future.done():
            return
        match seen.outcome:
            case Ok(raw):
                future.set_result(read(seen, raw, None if body is None else body.returns))
            case Err(failure):
                future.set_exception(error_of(failure))

    def _decide(self, key: str) -> Decision:
        decision = self.machine.decide(key, now())
        match decision:
            case Run(attempt, timeout_ms):
                self._begin(key, attempt, timeout_ms)
            case Park():
                self._parked.add(key, decision)
                self._alarm.set(self._parked.until())
                self._home.began(self, key)
            case Settle():
                self._parked.remove(key)
        return decision

    def _begin(self, key: str, attempt: int, timeout_ms: int) -> None:
        self.machine.begin(key, attempt, now())
        self._attempts[key] = Attempt(
            self._bodies[key],
            Place(self.instance, key, attempt),
            self._home.threads,
            timeout_ms=timeout_ms,
            done=lambda outcome: self._report(key, outcome),
        )
        self._home.began(self, key)

    def _report(self, key: str, outcome: Outcome) -> None:
        del self._attempts[key]
        try:
            outcome = self.machine.report(key, outcome, now())
            if isinstance(outcome, Err) and not self._home.draining:
                self._decide(key)
            self._say()
        except Exception as error:  # noqa: BLE001 - it is ours; the attempt would keep it to itself
            self.broke(error)

    def _receive(self, arrived: Sequence[Received]) -> None:
        """Take events in, and give them to those that wait for them."""
        at = now()
        new: Counter[str] = Counter()
        for one in arrived:
            if self.machine.receive(facts.Received(one.event, one.type, one.payload, one.sent_at, at)):
                new[one.type] += 1
        for type_, count in new.items() if not self._home.draining else ():
            left = count
            for key in self._parked.awaiting(type_):
                match self._decide(key):
                    case Settle(Ok()):
                        left -= 1
                if not left:
                    break

    def _decide_due(self) -> None:
        """Decide parked steps again whose time has come, and wake for the next."""
        if not self._home.draining:
            for key in self._parked.due(now()):
                self._decide(key)
            self._alarm.set(self._parked.until())

    def _ring(self) -> None:
        """Wake for a parked step while another one keeps the turn going."""
        if self.state is PLAYING:
            try:
                self._decide_due()
                self._say()
            except Exception as error:  # noqa: BLE001 - it is ours; the loop would only print it
                self.broke(error)

    # -- what became fact ----------------------------------------------------------------------------------

    def _say(self) -> None:
        """Commit what became fact; rest, or be released, when nothing goes on."""
        idle = not self._attempts and not self.machine.awaiting
        if idle and self._home.draining:
            self._release()
        elif idle and not self.machine.replaying:
            self._rest()
        else:
            self._commit()

    def _commit(self, change: Change | None = None) -> None:
        new = self.machine.take()
        if new or change is not None:
            self._home.outbox.add(self, new, last_seq=self.machine.seq, change=change)

    def _rest(self) -> None:
        wake_at = self._parked.until()
        if wake_at is None:
            self._end(Err(failure_of(WorkflowInternalError(STUCK))))
            return
        at = now()
        self.machine.announce(self._parked)
        self.machine.move(Moved(status.WAITING, at, detail={"until": wake_at}))
        self.state = RESTING
        self._alarm.set(None)
        self._commit(Rested(self.instance, at, wake_at, self._parked.awaits()))
        self._home.rested(self)

    def _release(self) -> None:
        """Hand the instance back; whatever was said must be on disk first."""
        self._commit()
        if self._durable == self.machine.seq:
            self._leave(released=True)

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

    def _hold(self, why: Exception) -> None:
        """Pause the instance: its code and its journal contradict each other, and wflow does not guess."""
        at = now()
        if self._task.done() and isinstance(ended := outcome_of(self._task), Err):
            # Code that broke comes to an end that the journal does not know; this is what to mend.
            why = type(why)(f"{why}; it ended with {ended.failure.name}: {ended.failure.message}")
        failure = failure_of(why)
        self.machine.discard()
        self.machine.move(Moved(status.PAUSED, at, failure=failure))
        self._commit(Held(self.instance, at, failure))
        self._leave(released=False)

    def _leave(self, *, released: bool) -> None:
        if self.state is OVER:
            return
        self.state = OVER
        self._alarm.set(None)
        for attempt in self._attempts.values():
            attempt.give_up()
        self._attempts.clear()
        self.loop.evict()
        self._home.left(self, released=released)
