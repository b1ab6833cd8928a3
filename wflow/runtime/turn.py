"""One instance in one runtime: its machine, its coroutine on its own loop, and what goes on between them.

The one cycle: run the code until it is quiet; hand it the next outcome that is on disk, in journal order;
when there is none left, decide what its open steps need; say what became fact. Live or replaying, it is the
same cycle.

A turn rests when nothing runs and no outcome is under way. It then holds no claim, but stays in memory for
a while, so that the next claim goes on where it stands.

What becomes of the code itself, until it has come to its end, is the affair of its `Course`.
"""

from __future__ import annotations

import contextvars
import functools
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any

from wflow.engine import facts, names, status
from wflow.engine.changes import Held, Rested
from wflow.engine.facts import Moved, Received, Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err
from wflow.errors import NonDeterminismError, WorkflowInternalError
from wflow.runtime.attempt import Place, here
from wflow.runtime.clock import now
from wflow.runtime.code import Code
from wflow.runtime.course import Course, Over
from wflow.runtime.ends import STUCK, ended, held
from wflow.runtime.failures import failure_of
from wflow.runtime.home import OVER, PLAYING, RESTING, State
from wflow.runtime.loop import Spinning
from wflow.runtime.open_steps import OpenSteps
from wflow.runtime.parked import Alarm
from wflow.runtime.running import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from wflow.engine.changes import Change
    from wflow.engine.outcome import Outcome
    from wflow.link import frames
    from wflow.runtime.home import Home


class Turn:
    """See the module. ``start`` makes the coroutine that runs the user's `run`, given the turn."""

    __slots__ = (
        "__weakref__",
        "_address",
        "_arrived",
        "_course",
        "_durable",
        "_handing_back",
        "_home",
        "_params_bytes",
        "_pausing",
        "_running",
        "code",
        "epoch",
        "instance",
        "machine",
        "steps",
    )

    def __init__(
        self,
        spec: frames.Turn,
        home: Home,
        start: Callable[[Turn], Coroutine[Any, Any, object]],
        *,
        step_limit: int,
        machine: Callable[..., Machine] = Machine,
    ) -> None:
        """Make a turn out of its claim, with its whole journal; `play` sets it going.

        ``machine`` makes its machine, with the arguments of that class.
        """
        self.instance = spec.instance
        self.epoch = spec.epoch
        self._address = spec.workflow, spec.id
        self._params_bytes = len(spec.params)
        journal = map(facts.decode, spec.records or ())
        self.machine = machine(journal, seq=spec.seq, step_limit=step_limit, died=spec.died)
        self._home = home
        self._durable = spec.seq
        self._arrived: Sequence[Received] = spec.events
        self._pausing = spec.pausing
        self._handing_back = False
        began = functools.partial(home.began, self)
        self._running = Running(spec.instance, spec.seed, self.machine, home, self._report, began)
        self.steps = OpenSteps(self.machine, self._running, began, Alarm(self._ring), spec.died)
        self.code = Code(spec, self.machine, self.steps, self._commit)
        context = contextvars.copy_context()
        context.run(here.set, Place(spec.instance, ""))
        self._course = Course(self.code, self.steps, self._commit)
        self._course.begin(start(self), context=context)

    @property
    def state(self) -> State:
        """Whether it plays, rests in memory, or is over."""
        return self.code.state

    @property
    def value_bytes(self) -> int:
        """How many bytes of values its code has been given, which it may have kept."""
        return self._params_bytes + names.STATE_BYTES - self.machine.room

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
        if seq > self._durable:  # noqa: PLR1730 - every step comes this way
            self._durable = seq
        state = self.code.state
        if state is PLAYING:
            if self._running.prepared:
                self._running.durable(self._durable)
            self._pump()
        elif state is RESTING and self._durable == self.machine.seq:
            self._home.rested(self)

    def announce(self, key: str) -> None:
        """Make a fact of an attempt or a wait that has lasted a while, and mind the attempt's timeout."""
        if self.code.state is not PLAYING:
            return
        attempt = self._running.attempts.get(key)  # nearly all of them are over by now
        if attempt is not None:
            attempt.watch()
        elif key not in self.steps.parked.waits:
            return
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

    def hand_back(self) -> None:
        """Begin nothing new, and be released as soon as nothing runs, as all are when the runtime drains."""
        self._handing_back = True
        self.drain()

    def keep(self) -> None:
        """Go on after all: nobody wants the instance back any more."""
        if self._handing_back and self.code.state is PLAYING:
            self._handing_back = False
            self._pump()

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
        machine, code, course = self.machine, self.code, self._course
        try:
            code.loop.run(self._hear)
        except NonDeterminismError as diverged:
            code.diverged = diverged
        except Spinning as spinning:
            course.spin(spinning)
            self._pump()
            return
        if code.diverged is not None:
            self._hold(code.diverged)
            return
        if (course.left or course.task.done()) and not machine.asked and (over := course.over()) is not None:
            self._end(over)
            return
        if self._pausing:
            self._pausing = not machine.rolling_back
        unheard = machine.unheard
        if not (
            unheard.recorded or unheard.asked or self._pausing or self._handing_back or self._home.draining
        ):
            self.steps.decide_new()
        if machine.made or code.told is not None or not self._running.attempts:
            self._say()

    def _hear(self) -> bool:
        """Let the code, which is quiet, hear of what comes next; False when nothing does that is on disk."""
        if self.code.diverged is not None:
            return False
        news = self.machine.next(self._durable)
        if news is None:
            return False
        self._course.hear(news)
        return True

    @property
    def _holds_back(self) -> bool:
        """Whether nothing new may begin."""
        asked = self.machine.unheard.asked > 0
        return asked or self._pausing or self._handing_back or self._home.draining

    def _report(self, key: str, outcome: Outcome, delay_ms: int | None) -> None:
        try:
            outcome = self.machine.report(key, outcome, now(), delay_ms)
            if type(outcome) is Err:
                if self._holds_back:
                    self.steps.defer(key)
                else:
                    self.steps.decide(key)
            if self.machine.unheard.facts:
                self._commit()
            else:
                self._say()
        except Exception as error:  # noqa: BLE001 - it is ours; the attempt would keep it to itself
            self.broke(error)

    def _receive(self, arrived: Sequence[Received]) -> None:
        """Take events in, and give them to those that wait for them."""
        if not arrived:
            return
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
        machine = self.machine
        if self._running.attempts or machine.unheard.facts or machine.awaiting:
            if machine.made or self.code.told is not None:
                self._commit()
        elif self._handing_back or self._home.draining:
            self._release()
        elif not self.machine.replaying:
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
            if (over := self._course.fail(failure_of(WorkflowInternalError(STUCK)))) is not None:
                self._end(over)
            return
        self.machine.announce(self.steps.parked)
        if not self.machine.rolling_back:
            self.machine.move(Moved(status.WAITING, at, detail={"until": wake_at}))
        self.code.state = RESTING
        self.steps.still()
        self._commit(Rested(self.instance, at, wake_at, self.steps.parked.awaits()))

    def _release(self) -> None:
        """Hand the instance back; whatever was said must be on disk first."""
        self._commit()
        if self._durable == self.machine.seq:
            self._leave(released=True)

    def _end(self, over: Over) -> None:
        """End the instance."""
        self.steps.forget_all()
        moved, change = ended(self.instance, now(), over.outcome, over.rolled_back)
        self.machine.move(moved)
        self._commit(change)
        self._leave(released=False)

    def _hold(self, why: Exception) -> None:
        """Pause the instance: its code and its journal contradict each other, and wflow does not guess."""
        at = now()
        failure, detail = held(why, self._course.task, self._address)
        self.steps.forget_all()
        self.machine.discard()
        self.machine.move(Moved(status.PAUSED, at, failure=failure, detail=detail))
        self._commit(Held(self.instance, at, failure))
        self._leave(released=False)

    def _leave(self, *, released: bool) -> None:
        if self.code.state is OVER:
            return
        self.code.state = OVER
        self.steps.forget_all()
        self.code.loop.evict()
        self.code.end()
        # They point back at it: without them it goes at once, and the collector need not look for it.
        del self._running, self.steps, self._course
        self._home.left(self, released=released)
