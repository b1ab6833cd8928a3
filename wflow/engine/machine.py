"""The machine: a journal folded into what its code may see next, and the facts that the code makes.

Facts in, decisions out. The machine knows no clock, no store and no coroutine: time is an argument, facts to
append are taken from it, and outcomes are handed out one by one in journal order, each only after the caller
says that it is durable. A live run and a replay go through the same calls; a replay merely finds the facts
there already.

The caller's part::

    open(step)        the code reached a step            -> its key
    undecided()       the steps that want a decision
    decide(key)       what to do about one               -> Settle | Run | Park
    begin, report     an attempt began, and how it ended
    receive(event)    an event came in
    take()            the facts to append, in order
    next(durable)     the next that the code may hear of, in journal order: an outcome (Seen), a request
                      (Asked), or that its steps are to be undone (Undo)

A step is known by its name and the nth call with that name. The order of outcomes is the journal's, so every
race among steps, timers and events has the same winner for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from wflow.engine import names, status
from wflow.engine.decisions import Decision, Park, Settle
from wflow.engine.facts import PATCH, Failed, Logged, Moved, Received, Settled, Tried
from wflow.engine.folded import WORKFLOW, Folded
from wflow.engine.hearing import Hearing
from wflow.engine.outcome import FULL, INTERRUPTED, Err, Ok, Outcome
from wflow.engine.past import Past
from wflow.engine.requests import is_request, placed
from wflow.engine.steps.do import Do
from wflow.engine.steps.rollback import Rollback
from wflow.engine.visits import Visits
from wflow.engine.waits import Waits
from wflow.errors import TooMany

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Failure
    from wflow.engine.seen import News
    from wflow.engine.steps import Step


class Machine:
    """One instance's journal, folded; see the module."""

    def __init__(
        self,
        journal: Iterable[Fact] = (),
        *,
        seq: int = 0,
        step_limit: int = names.STEPS,
        state_bytes: int = names.STATE_BYTES,
        died: bool = False,
    ) -> None:
        """Fold ``journal``; ``seq`` is the number of its last record, new facts count on from there.

        ``died`` says that the process that played it last did not end in good order.
        """
        folded = Folded(journal)
        self.ended = folded.ended
        self.rolling_back = folded.rolling_back
        self.undoable = folded.undoable
        self._died = died
        self._restarts = folded.restarts
        self._standstill = folded.standstill
        self._bytes_left = state_bytes - folded.value_bytes
        self._visits = Visits(step_limit)
        self._pasts = folded.pasts
        self._steps: dict[str, Step] = {}
        self._undecided: dict[str, None] = {}
        self._patches = folded.patches
        self._patched_at = self._durable = 0
        self._unheard = folded.unheard
        self._events = folded.events
        self._hearing = Hearing(folded, self._steps)
        self._waits = Waits(self._events, self._pasts, self._steps)
        self._facts: list[Fact] = []
        self._unplaced = False
        self._seq = seq
        self._logs_recorded = folded.logs
        self._logs_seen = 0

    @property
    def seq(self) -> int:
        """The number of the last fact, whether taken or not."""
        return self._seq + len(self._facts)

    @property
    def order(self) -> int:
        """How many steps the code has asked for."""
        return self._visits.order

    @property
    def replaying(self) -> bool:
        """Whether the journal it was made of still holds an outcome that the code has not seen."""
        return self._unheard.recorded > 0

    @property
    def room(self) -> int:
        """How many bytes of results the instance may still keep."""
        return self._bytes_left

    @property
    def awaiting(self) -> bool:
        """Whether there is a fact, durable or not, that the code is to hear of."""
        return self._hearing.awaiting

    @property
    def unsure(self) -> bool:
        """Whether the code goes a way that another replay might not: that it is new there is not on disk."""
        return self._patched_at > self._durable

    @property
    def asked(self) -> bool:
        """Whether a request has come in that the code is yet to hear of; until then nothing should begin."""
        return self._unheard.asked > 0

    def open(
        self, step: Step, now: int, digest: bytes = b"", *, site: str = "", formerly: str | None = None
    ) -> str:
        """Note that the code asks for ``step`` at a ``site`` of its own and give the key, ``name-n``.

        What the journal tells of how it is to be made holds. A step that was called ``formerly`` something
        else is that one if the journal has it so. Raises NonDeterminismError when the journal has another
        kind of step, or other arguments, under that key, and TooMany over the limit of steps.
        """
        if formerly is not None and self.upcoming(step.name, formerly) != self.upcoming(step.name):
            known: Any = step
            step, formerly = replace(known, name=formerly), None
        key = self._visits.add(step)
        past = self._pasts.get(key)
        if past is None:
            past = self._pasts[key] = Past(key, step.kind, now, digest)
            past.generation = self._restarts
        else:
            past.compare(step.kind, digest, site)
            if past.told:
                step = step.recorded(past.detail)
            if past.late:
                self._hearing.want(key)
        past.order, past.site = self._visits.order, site
        past.asked = True
        self._steps[key] = step
        if formerly is not None and not past.settled:
            self._tell_opened(past)  # lest a later step of the old name is taken for this one
        if not past.settled:
            self._undecided[key] = None
            if step.awaits is not None:
                self._waits.add(step.awaits, key)
                for event in self._events.set_aside(step.awaits):
                    self.receive(event)
        return key

    def close(self, key: str) -> None:
        """Forget a step that the code gave up before it saw its outcome (a timer that was cancelled).

        An event that it has consumed waits again, at its old place: nobody has seen it.
        """
        past = self._pasts.pop(key, None)
        if past is None:
            return
        step = self._steps.pop(key)
        if past.settled:
            self._hearing.close(key)
            if past.event is not None:
                self._events.give_back(past.event.event)
                self._undecided |= dict.fromkeys(self._waits.awaiting(past.event.type))
        elif step.awaits is not None:
            self._waits.remove(step.awaits, key)

    def log(self, line: Logged) -> bool:
        """Append a log line, unless workflow code said it and the journal has it; say whether it is new."""
        if line.source == WORKFLOW:
            self._logs_seen += 1
            if self._logs_seen <= self._logs_recorded:
                return False
        self._append(line)
        return True

    def undecided(self) -> list[str]:
        """Hand over the keys of steps that want a decision: they were opened, or an event was given back.

        Ask only when nothing is left to replay: an attempt must not begin before the journal is known to fit
        the code. Once the steps are to be undone, rollbacks are all that is still decided.
        """
        keys, self._undecided = self._undecided, {}
        found = [key for key in keys if (past := self._pasts.get(key)) and past.outcome is None]
        if self.rolling_back:
            return [key for key in found if self._pasts[key].kind == Rollback.kind]
        return found

    def decide(self, key: str, now: int) -> Decision:
        """Ask the step what happens next; a step that answers Settle is settled by that, once."""
        past, step = self._pasts[key], self._steps[key]
        if past.outcome is not None:
            return Settle(past.outcome)
        if past.interrupted:
            self._cut_off(past, step, now)
        if step.awaits is not None:
            past.event = self._waits.event_for(key, step.awaits, now)
        decision = step.decide(past, now)
        if isinstance(decision, Settle):
            self._settle(past, decision.outcome, now)
        return decision

    def begin(self, key: str, attempt: int, now: int) -> None:
        """Note that an attempt begins; it becomes a fact only when it lasts (`announce`) or fails."""
        past = self._pasts[key]
        past.attempt = attempt
        past.began_at = now
        past.interrupted = False

    def report(self, key: str, outcome: Outcome, now: int, delay_ms: int | None = None) -> Outcome:
        """Note how the attempt that began last has ended, and give what is noted.

        That is an error when the value has no room in what the instance may keep (`names.STATE_BYTES`). A
        step that is closed or over hears nothing. ``delay_ms`` is what the step's delay function said, for
        an error.
        """
        past = self._pasts.get(key)
        if past is None or past.outcome is not None:
            return outcome
        if isinstance(outcome, Ok):
            if outcome.size <= self._bytes_left:
                self._settle(past, outcome, now)
                return outcome
            outcome = Err(FULL)
        self._fail(past, outcome.failure, now, delay_ms)
        return outcome

    def receive(self, event: Received) -> bool:
        """Take an event in; False when it is known already, so that a delivery may come twice, or set aside.

        The code hears of a request once, however often it is made.
        """
        request = is_request(event.type)
        awaited = bool(self._waits.awaiting(event.type))
        if not (self._events.note(event.event) if request else self._events.admit(event, awaited=awaited)):
            return False
        self._append(event)
        if request:
            self._unplaced = True
            self._unheard.ask(event, self.seq)
        return True

    def roll_back(self, failure: Failure | None, now: int) -> None:
        """Have the steps undone; they may be once this is durable, which `next` tells. Once is enough."""
        if not self.rolling_back:
            self.rolling_back = True
            moved = Moved(status.ROLLING_BACK, now, failure=failure)
            self._append(moved)
            self._unheard.add(moved, self.seq)

    def upcoming(self, name: str, formerly: str | None = None) -> str:
        """Give the key that the next step of a name will have, which may be the one it had formerly."""
        key = self._visits.upcoming(name)
        if formerly is not None and (past := self._pasts.get(old := self._visits.upcoming(formerly))):
            # If both are recorded, the one that was asked for first is meant: the name may have changed in
            # between, or there is another step by now that bears the old one.
            known = self._pasts.get(key)
            return old if known is None or past.order < known.order else key
        return key

    def patched(self, id_: str, now: int) -> bool:
        """Tell whether the code takes a way that is new: as the journal says, or if it ends before this.

        The answer is the same for the instance's life. Raises TooMany.
        """
        key = names.PATCHED + id_
        known = self._patches.get(key)
        if known is None:
            if len(self._patches) >= names.PATCHES:
                raise TooMany(f"an instance takes in {names.PATCHES} changes (ctx.patched) at the most")
            known = self._patches[key] = not self._hearing.behind
            if known:
                self._append(Settled(key, PATCH, now, Ok(), order=self.order))
                self._patched_at = self.seq
        return known

    def step(self, key: str) -> Step:
        """Give a step that is open, with the settings that hold for it."""
        return self._steps[key]

    def last(self, key: str) -> bool:
        """Tell whether the attempt that goes on is the last one that the policy allows."""
        past, step = self._pasts[key], self._steps[key]
        spent = past.failures + (past.deaths if step.at_most_once else 0)
        return isinstance(step, (Do, Rollback)) and spent >= step.retry.limit

    def generation(self, key: str) -> int:
        """Tell how often the instance had been restarted when a step that is open was opened."""
        return self._pasts[key].generation

    def outcome(self, key: str) -> Outcome | None:
        """Tell how a step that the code has not heard of ended; None when it has not."""
        past = self._pasts.get(key)
        return None if past is None else past.outcome

    def began(self, key: str) -> bool:
        """Tell whether an attempt of a step has begun, ever, of whose end the code has not heard."""
        past = self._pasts.get(key)
        return past is not None and past.attempt > 0

    def unfinished(self) -> list[str]:
        """Name the `do` steps without an outcome, in the order in which the code asked for them.

        Polls are not among them: like sleeps and waits they wait for something.
        """
        steps, pasts = self._steps, self._pasts
        return [key for key, step in steps.items() if step.kind == Do.kind and not pasts[key].settled]

    def announce(self, keys: Iterable[str]) -> None:
        """Make facts of beginnings that have lasted: for each key, what the journal does not tell yet."""
        for key in keys:
            past = self._pasts.get(key)
            if past is None or past.settled:
                continue
            self._tell_opened(past)
            if past.told <= past.attempt:
                past.told = past.attempt + 1
                self._append(Tried(key, past.attempt, past.began_at))

    def move(self, moved: Moved) -> None:
        """Append a change of the instance's status; after an ended one nothing can be appended."""
        self._append(moved)
        self.ended = moved.status in status.ENDED
        if still_ms := self._standstill.moved(moved):
            for past in self._pasts.values():
                past.shift(still_ms)

    def take(self) -> list[Fact]:
        """Hand over the facts made since the last call; the last of them is number `seq`."""
        facts, self._facts = self._facts, []
        self._seq += len(facts)
        if self._unplaced:
            self._unplaced = False
            return [placed(fact, self.order) for fact in facts]
        return facts

    def discard(self) -> None:
        """Take nothing of what was made since the last `take`: the code that made it is not to be trusted."""
        self._facts = []

    def next(self, durable: int) -> News | None:
        """Give what the code is to hear of next, in journal order, if its record is durable.

        Call it only when the code is quiet. Raises NonDeterminismError when the journal's next outcome is of
        a step that the code has not asked for, or when a recorded step is not asked for by the journal's end.
        """
        self._durable = durable
        return self._hearing.next(durable)

    def _append(self, fact: Fact) -> None:
        if self.ended:
            message = f"an instance that ended appends nothing, not even {fact}"
            raise AssertionError(message)
        self._facts.append(fact)

    def _cut_off(self, past: Past, step: Step, now: int) -> None:
        """Judge an attempt that was never heard of again; it counts only if somebody is to blame."""
        past.interrupted = False
        if self._died or step.at_most_once:
            self._fail(past, INTERRUPTED, now)

    def _fail(self, past: Past, failure: Failure, now: int, delay_ms: int | None = None) -> None:
        self._tell_opened(past)
        past.fail(failure, now, delay_ms)
        decision = self._steps[past.key].decide(past, now)
        if not isinstance(decision, Settle):
            past.retry_at = decision.until if isinstance(decision, Park) else now
        self._append(Failed(past.key, past.attempt, past.began_at, now, failure, past.retry_at))

    def _settle(self, past: Past, outcome: Outcome, now: int) -> None:
        step = self._steps[past.key]
        if step.awaits is not None:
            self._waits.remove(step.awaits, past.key)
        if isinstance(outcome, Ok):
            self._bytes_left -= outcome.size
        else:
            past.event = None
        if past.event is not None:
            self._events.take(past.event.event)
        settled = past.settling(outcome, now, {} if past.told else step.describe())
        past.outcome = outcome
        self._append(settled)
        self._unheard.add(settled, self.seq)

    def _tell_opened(self, past: Past) -> None:
        if not past.told:
            past.told = 1
            self._append(past.opening(self._steps[past.key].describe()))
