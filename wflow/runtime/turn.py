"""One instance in one runtime: its machine, its coroutine on its own loop, and what goes on between them.

The one cycle: run the code until it is quiet; hand it the next outcome that is on disk, in journal order;
when there is none left, decide what its open steps need; say what became fact. Live or replaying, it is the
same cycle.

A turn rests when nothing runs and no outcome is under way. It then holds no claim, but stays in memory for
a while, so that the next claim goes on where it stands.

When the code is over it may not be the end: steps that nobody awaited are finished, and after a failure, or
when the instance is told to, steps are undone by a second task on the same loop.
"""

from __future__ import annotations

import contextvars
import functools
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any

from wflow.engine import facts, status
from wflow.engine.changes import Held, Rested, Rolling
from wflow.engine.facts import Moved, Received, Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Ok, RolledBack
from wflow.engine.requests import CANCEL
from wflow.engine.seen import Asked, Seen
from wflow.errors import NonDeterminismError, WorkflowInternalError
from wflow.runtime.attempt import Place, here
from wflow.runtime.clock import now
from wflow.runtime.code import Code
from wflow.runtime.ends import STUCK, ended, held, unawaited
from wflow.runtime.failures import failure_of, outcome_of
from wflow.runtime.home import OVER, PLAYING, RESTING, State
from wflow.runtime.loop import Spinning
from wflow.runtime.open_steps import OpenSteps
from wflow.runtime.running import Running
from wflow.runtime.undoing import undo

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Sequence

    from wflow.engine.changes import Change
    from wflow.engine.outcome import Failure, Outcome
    from wflow.engine.seen import Undo
    from wflow.link import frames
    from wflow.runtime.home import Home


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
        journal = [facts.decode(raw) for raw in spec.records or ()]
        self.machine = Machine(journal, seq=spec.seq, step_limit=step_limit, died=spec.died)
        self._home = home
        self._durable = spec.seq
        self._arrived: Sequence[Received] = spec.events
        self._pausing = spec.pausing
        self._undo: asyncio.Task[None] | None = None
        self._failure: Failure | None = None
        self._outcome: Outcome | None = None
        self._cancelled = False
        self._spun: Failure | None = None
        self._hurried = False
        self._warned = False
        self._left = False
        self._rolling = False
        self._running = Running(spec, self.machine, home, self._report)
        began = functools.partial(home.began, self)
        self.steps = OpenSteps(self.machine, self._running, began, self._ring, died=spec.died)
        self.code = Code(spec, self.machine, self.steps, self._commit)
        context = contextvars.copy_context()
        context.run(here.set, Place(spec.instance, ""))
        self._task = self.code.loop.create_task(start(self), context=context)

    @property
    def state(self) -> State:
        """Whether it plays, rests in memory, or is over."""
        return self.code.state

    # -- what the runtime tells it -------------------------------------------------------------------------

    def play(self) -> None:
        """Begin, or begin again, at the journal's start; one that is to pause does not even begin."""
        if self._pausing:
            self._rest()
            return
        rolling_back = self.machine.rolling_back
        self.machine.move(Moved(status.ROLLING_BACK if rolling_back else status.RUNNING, now()))
        arrived, self._arrived = self._arrived, ()
        self._receive(arrived)
        self._pump()

    def resume(self, spec: frames.Turn) -> bool:
        """Go on under a new claim from where it rests; False when it is not where the claim says."""
        if self.code.state is not RESTING or spec.seq != self._durable or spec.pausing:
            return False
        self.code.state = PLAYING
        self.epoch = spec.epoch
        if not self.machine.rolling_back:
            self.machine.move(Moved(status.RUNNING, now()))
        self._receive(spec.events)
        self._decide_due()
        self._say()
        return True

    def steer(self, *, pausing: bool) -> None:
        """Begin nothing new and rest as soon as nothing runs; or go on after all."""
        if self.code.state is not PLAYING or pausing == self._pausing or self.machine.rolling_back:
            return
        self._pausing = pausing
        self.machine.move(Moved(status.PAUSING if pausing else status.RUNNING, now()))
        self._pump()

    def receive(self, arrived: Received) -> None:
        """Take an event in; at rest the store keeps it for the next claim."""
        if self.code.state is PLAYING:
            self._receive([arrived])
            self._say()

    def acked(self, seq: int) -> None:
        """Hear that the facts up to ``seq`` are on disk: their outcomes may be seen now."""
        self._durable = max(self._durable, seq)
        if self.code.state is PLAYING:
            if self._running.prepared:
                self.steps.began(self._durable)
            self._pump()

    def announce(self, key: str) -> None:
        """Make a fact of an attempt or a wait that has lasted a while, and mind the attempt's timeout."""
        if self.code.state is PLAYING and self.steps.watch(key):
            self.machine.announce([key])
            self._say()

    def drop(self) -> None:
        """End here and now: the claim is over, or the turn is evicted. Nothing is said."""
        self._leave(released=False)

    def drain(self) -> None:
        """Begin nothing new, and be released as soon as nothing runs."""
        if self.code.state is RESTING:
            self.drop()
        elif self.code.state is PLAYING:
            self._say()

    def broke(self, error: Exception) -> None:
        """Hear that wflow itself failed here: the instance is paused, and the others go on."""
        traceback.print_exception(error)
        try:
            if self.code.state is PLAYING:
                self._hold(WorkflowInternalError(f"wflow failed inside this instance: {error!r}"))
        finally:
            self.drop()

    # -- the cycle -----------------------------------------------------------------------------------------

    def _pump(self) -> None:
        machine, code, loop = self.machine, self.code, self.code.loop
        try:
            loop.run()
            while code.diverged is None and (news := machine.next(self._durable)) is not None:
                if isinstance(news, Seen):
                    self._see(news)
                else:
                    self._hear(news)
                loop.run()
        except NonDeterminismError as diverged:
            code.diverged = diverged
        except Spinning as spinning:
            # A replay comes this far again, and hears then how it went on.
            self._left, self._spun = True, failure_of(WorkflowInternalError(str(spinning)))
            code.abandon()
            self._pump()
            return
        if code.diverged is not None:
            self._hold(code.diverged)
            return
        if (self._left or self._task.done()) and not machine.asked and self._over():
            return
        if not machine.replaying and not self._holds_back:
            self.steps.decide_new()
        self._say()

    def _see(self, seen: Seen) -> None:
        """Let the code see an outcome, if it is there to see it, or else those who undo its steps."""
        code = self.code
        if code.undoings.known:
            code.undoings.heard(seen.key, seen.outcome)
        if self._undo is not None or not (self._left or self._task.done()):
            code.hand(seen)

    def _hear(self, news: Asked | Undo) -> None:
        """Do what is asked for; a replay hears of it in the same place."""
        if isinstance(news, Asked):
            self._ask(news.type)
        else:
            self._left, self._failure = True, news.failure
            self._roll(news.failure)
            self._undo = self.code.loop.create_task(undo(self.code, news.failure))

    def _ask(self, type_: str) -> None:
        """Do what the instance is asked to; one that is to be undone anyway need not be asked."""
        if self._left:
            return
        if type_ != CANCEL:
            self._roll_back(None)
        elif self._task.done():
            self._hurried = True
        else:  # the machine hands out one of a kind
            self._cancelled = True
            self._task.cancel()

    @property
    def _holds_back(self) -> bool:
        """Whether nothing new may begin."""
        return self._home.draining or self._pausing or self.machine.asked

    def _over(self) -> bool:
        """End the instance when its code has come to an end, unless there is something left to do."""
        if self._undo is not None:
            if not self._undo.done():
                return False
            undone = outcome_of(self._undo)
            failed = undone.failure if isinstance(undone, Err) else None
            self._end(Err(self._failure) if self._failure else None, RolledBack(failed))
            return True
        if self._spun is not None:
            return self._fail(self._spun)
        if self._left:
            return False
        outcome = self._outcome
        if outcome is None and not (self._cancelled and self._task.cancelled()):
            outcome = self._outcome = outcome_of(self._task)
        if not isinstance(outcome, Ok):
            return self._fail(None if outcome is None else outcome.failure)
        if not self._hurried and (unfinished := self.machine.unfinished()):
            self._finish(unfinished)
            return False
        self._end(outcome)
        return True

    def _finish(self, unfinished: list[str]) -> None:
        """Let go of what the code waited for; calls that it did not await are finished first."""
        if not self._warned:
            self._warned = True
            self.code.log("warn", unawaited(unfinished), {})
        self.code.let_go(keep=unfinished)

    def _fail(self, failure: Failure | None) -> bool:
        """End the instance with a failure, or as terminated; False when its steps are undone first."""
        if not self.machine.rolling_back and not self.code.undoings.begun(self.machine):
            self._end(None if failure is None else Err(failure))
            return True
        self._roll_back(failure)
        return False

    def _roll_back(self, failure: Failure | None) -> None:
        """Leave the code for good, and undo what was done as soon as that is on disk."""
        self._left = True
        self._pausing = False
        self.steps.forget_all()
        if not self.machine.rolling_back:
            self.machine.roll_back(failure, now())
            self._roll(failure)

    def _roll(self, failure: Failure | None) -> None:
        """Say, once in each life, that it rolls back."""
        if not self._rolling:
            self._rolling = True
            self._commit(Rolling(self.instance, now(), failure))

    def _report(self, key: str, outcome: Outcome, delay_ms: int | None) -> None:
        try:
            outcome = self.machine.report(key, outcome, now(), delay_ms)
            if isinstance(outcome, Err):
                if self._holds_back:
                    self.steps.defer(key)
                else:
                    self.steps.decide(key)
            self._say()
        except Exception as error:  # noqa: BLE001 - it is ours; the attempt would keep it to itself
            self.broke(error)

    def _receive(self, arrived: Sequence[Received]) -> None:
        """Take events in, and give them to those that wait for them."""
        at = now()
        new: Counter[str] = Counter()
        for one in arrived:
            if self.machine.receive(Received(one.event, one.type, one.payload, one.sent_at, at)):
                new[one.type] += 1
        if self._pausing and self.machine.asked:  # the store has taken the pause back as well
            self._pausing = False
            self.machine.move(Moved(status.RUNNING, at))
        if self._holds_back:
            self.steps.defer()
        else:
            self.steps.decide_awaiting(new)

    def _decide_due(self) -> None:
        if self._holds_back:
            self.steps.decide_timers()
        else:
            self.steps.decide_due()

    def _ring(self) -> None:
        """Wake for a parked step while another one keeps the turn going."""
        if self.code.state is PLAYING:
            try:
                self._decide_due()
                self._say()
            except Exception as error:  # noqa: BLE001 - it is ours; the loop would only print it
                self.broke(error)

    # -- what became fact ----------------------------------------------------------------------------------

    def _say(self) -> None:
        """Commit what became fact; rest, or be released, when nothing goes on."""
        idle = not self._running.attempts and not self.machine.awaiting
        if idle and self._home.draining:
            self._release()
        elif idle and not self.machine.replaying:
            self._rest()
        else:
            self._commit()

    def _commit(self, change: Change | None = None) -> None:
        new, code = self.machine.take(), self.code
        if self._running.undoable and any(isinstance(fact, (Settled, Received)) for fact in new):
            # The code may give them up when it hears of that. A replay, too, must know then that they began.
            self.machine.announce(self._running.undoable)
            new += self.machine.take()
        if code.told is not None:
            told, code.told = code.told, None
            self._home.outbox.add(self, (), last_seq=self.machine.seq - len(new), change=told)
        if new or change is not None:
            self._home.outbox.add(self, new, last_seq=self.machine.seq, change=change)

    def _rest(self) -> None:
        wake_at, at = self.steps.parked.until(), now()
        if self._pausing:  # the store says what becomes of it; when it goes on, it starts from its journal
            self.machine.announce(self.steps.parked)
            self._commit(Rested(self.instance, at, at, []))
            self._leave(released=False)
            return
        if wake_at is None:
            assert not self.machine.rolling_back, "undoing waits for nothing but its own steps"
            self._fail(failure_of(WorkflowInternalError(STUCK)))
            return
        self.machine.announce(self.steps.parked)
        if not self.machine.rolling_back:
            self.machine.move(Moved(status.WAITING, at, detail={"until": wake_at}))
        self.code.state = RESTING
        self.steps.still()
        self._commit(Rested(self.instance, at, wake_at, self.steps.parked.awaits()))
        self._home.rested(self)

    def _release(self) -> None:
        """Hand the instance back; whatever was said must be on disk first."""
        self._commit()
        if self._durable == self.machine.seq:
            self._leave(released=True)

    def _end(self, outcome: Outcome | None, rolled_back: RolledBack | None = None) -> None:
        """End the instance: with its output or its failure, or as terminated when there is neither."""
        self.steps.forget_all()
        moved, change = ended(self.instance, now(), outcome, rolled_back)
        self.machine.move(moved)
        self._commit(change)
        self._leave(released=False)

    def _hold(self, why: Exception) -> None:
        """Pause the instance: its code and its journal contradict each other, and wflow does not guess."""
        at = now()
        failure = held(why, self._task)
        self.steps.forget_all()
        self.machine.discard()
        self.machine.move(Moved(status.PAUSED, at, failure=failure))
        self._commit(Held(self.instance, at, failure))
        self._leave(released=False)

    def _leave(self, *, released: bool) -> None:
        if self.code.state is OVER:
            return
        self.code.state = OVER
        self.steps.forget_all()
        self.code.loop.evict()
        self._home.left(self, released=released)
