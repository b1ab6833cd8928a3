"""The machine: a journal folded into what its code may see next, and the facts that the code makes.

Facts in, decisions out. The machine knows no clock, no store and no coroutine: time is an argument, facts to
append are taken from it, and outcomes are handed out one by one in journal order, each only after the caller
says that it is durable. In a live run and a replay the calls are the same; a replay finds the facts there.

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

from operator import attrgetter
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
        folded = Folded()
        folded.fold(journal)
        self.ended = folded.ended
        self.rolling_back = folded.rolling_back
        self.undoable = folded.undoable
        self._died = died
        self._restarts = folded.restarts
        self._standstill = folded.standstill
        self.room = state_bytes - folded.value_bytes
        """How many bytes of results the instance may still keep."""
        self._visits = Visits(step_limit)
        self._pasts = folded.pasts
        self._undecided: dict[str, None] = {}
        self._patches = folded.patches
        self._patched_at = 0
        self.unsure = False
        """Whether the code goes a way that another replay might not: that it is new there is not on disk."""
        self.unheard = folded.unheard
        self._events = folded.events
        self._hearing = Hearing(folded)
        self._waits = Waits(self._events, self._pasts)
        self.made: list[Fact] = []
        """The facts that nobody has taken yet."""
        self._unplaced = False
        self.seq = seq
        """The number of the last fact, whether taken or not."""
        self._logs_recorded = folded.logs
        self._logs_seen = 0

    @property
    def order(self) -> int:
        """How many steps the code has asked for."""
        return self._visits.order

    @property
    def replaying(self) -> bool:
        """Whether the journal it was made of still holds an outcome that the code has not seen."""
        return self.unheard.recorded > 0

    @property
    def awaiting(self) -> bool:
        """Whether there is a fact, durable or not, that the code is to hear of."""
        return bool(self.unheard.facts or self._hearing.wanted)

    @property
    def asked(self) -> bool:
        """Whether a request has come in that the code is yet to hear of; until then nothing should begin."""
        return self.unheard.asked > 0

    def open(  # noqa: PLR0917 - a call by keyword takes twice as long, and every step is opened
        self, step: Step, now: int, digest: bytes = b"", site: str = "", formerly: str | None = None
    ) -> str:
        """Note that the code asks for ``step`` at a ``site`` of its own and give the key, ``name-n``.

        What the journal tells of how it is to be made holds. A step that was called ``formerly`` something
        else is that one if the journal has it so. Raises NonDeterminismError when the journal has another
        kind of step, or other arguments, under that key, and TooMany over the limit of steps.
        """
        if formerly is not None and self.upcoming(step.name, formerly) != self.upcoming(step.name):
            known: Any = step
            step, formerly = replace(known, name=formerly), None
        visits = self._visits
        key = visits.add(step)
        past = self._pasts.get(key)
        if past is None:
            past = self._pasts[key] = Past(
                key, step.kind, now, digest, self._restarts, visits.order, site, step
            )
        else:
            if past.kind != step.kind or past.digest != digest:
                past.compare(step.kind, digest, site)
            if past.told:
                step = step.recorded(past.detail)
            if past.late:
                self._hearing.want(key)
            past.order, past.site, past.step = visits.order, site, step
        if past.outcome is None:
            if formerly is not None:
                self._tell_opened(past)  # lest a later step of the old name is taken for this one
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
        step = past.step
        if past.settled:
            self._hearing.close(key)
            if past.event is not None:
                self._events.give_back(past.event.event)
                self._undecided |= dict.fromkeys(self._waits.awaiting(past.event.type))
        elif step is not None and step.awaits is not None:
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
        if not self._undecided:
            return []
        keys, self._undecided = self._undecided, {}
        found = []
        for key in keys:
            past = self._pasts.get(key)
            if past is None or past.outcome is not None:
                continue
            if past.kind == Rollback.kind or not self.rolling_back:
                found.append(key)
        return found

    def decide(self, key: str, now: int) -> Decision:
        """Ask the step what happens next; a step that answers Settle is settled by that, once."""
        past = self._pasts[key]
        if past.outcome is not None:
            return Settle(past.outcome)
        step = past.step
        assert step is not None, "the code has not asked for it"
        if past.interrupted:
            self._cut_off(past, step, now)
        if step.awaits is not None:
            past.event = self._waits.event_for(key, step.awaits, now)
        decision = step.decide(past, now)
        if isinstance(decision, Settle):
            self._settle(past, decision.outcome, now)
        return decision

    def begin(self, key: str, attempt: int, now: int) -> Past:
        """Note that an attempt begins, and give all that is known of its step.

        It becomes a fact only when it lasts (`announce`) or fails.
        """
        past = self._pasts[key]
        past.attempt = attempt
        past.began_at = now
        past.interrupted = False
        return past

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
            if len(outcome.value) + outcome.beside <= self.room:
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
        seq = self._append(event)
        if request:
            self._unplaced = True
            self.unheard.ask(event, seq)
        return True

    def roll_back(self, failure: Failure | None, now: int) -> None:
        """Have the steps undone; they may be once this is durable, which `next` tells. Once is enough."""
        if not self.rolling_back:
            self.rolling_back = True
            moved = Moved(status.ROLLING_BACK, now, failure=failure)
            self.unheard.add(moved, self._append(moved))

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
                self._patched_at = self._append(Settled(key, PATCH, now, Ok(), order=self.order))
                self.unsure = True
        return known

    def step(self, key: str) -> Step:
        """Give a step that is open, with the settings that hold for it."""
        step = self._pasts[key].step
        assert step is not None, "the code has not asked for it"
        return step

    def asked_for(self) -> list[Past]:
        """List the steps that the code waits for, in the order in which it asked for them."""
        return sorted((past for past in self._pasts.values() if past.asked), key=attrgetter("order"))

    def outcome(self, key: str) -> Outcome | None:
        """Tell how a step that the code has not heard of ended; None when it has not."""
        past = self._pasts.get(key)
        return None if past is None else past.outcome

    def began(self, key: str) -> bool:
        """Tell whether an attempt of a step has begun, ever, of whose end the code has not heard."""
        past = self._pasts.get(key)
        return past is not None and past.attempt > 0

    def unfinished(self) -> list[str]:
        """Name the `do` steps without an outcome, in the order of asking; polls wait for something."""
        return [past.key for past in self.asked_for() if past.kind == Do.kind and not past.settled]

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
        facts, self.made = self.made, []
        if self._unplaced:
            self._unplaced = False
            return [placed(fact, self.order) for fact in facts]
        return facts

    def discard(self) -> None:
        """Take nothing of what was made since the last `take`: the code that made it is not to be trusted."""
        self.seq -= len(self.made)
        self.made = []

    def next(self, durable: int) -> News | None:
        """Give what the code is to hear of next, in journal order, if its record is durable.

        Call it only when the code is quiet. Raises NonDeterminismError when the journal's next outcome is of
        a step that the code has not asked for, or when a recorded step is not asked for by the journal's end.
        """
        if self.unsure and self._patched_at <= durable:
            self.unsure = False
        hearing = self._hearing
        anything = self.unheard.facts or hearing.recorded or hearing.wanted
        return hearing.next(durable) if anything else None

    def _append(self, fact: Fact) -> int:
        """Append a fact, and tell its number."""
        if self.ended:
            raise AssertionError(f"an instance that ended appends nothing, not even {fact}")
        self.made.append(fact)
        self.seq += 1
        return self.seq

    def _cut_off(self, past: Past, step: Step, now: int) -> None:
        """Judge an attempt that was never heard of again; it counts only if somebody is to blame."""
        past.interrupted = False
        if self._died or step.at_most_once:
            self._fail(past, INTERRUPTED, now)

    def _fail(self, past: Past, failure: Failure, now: int, delay_ms: int | None = None) -> None:
        self._tell_opened(past)
        past.fail(failure, now, delay_ms)
        decision = self.step(past.key).decide(past, now)
        if not isinstance(decision, Settle):
            past.retry_at = decision.until if isinstance(decision, Park) else now
        self._append(Failed(past.key, past.attempt, past.began_at, now, failure, past.retry_at))

    def _settle(self, past: Past, outcome: Outcome, now: int) -> None:
        step = past.step
        assert step is not None, "the code has not asked for it"
        if step.awaits is not None:
            self._waits.remove(step.awaits, past.key)
        if isinstance(outcome, Ok):
            self.room -= len(outcome.value) + outcome.beside
        else:
            past.event = None
        if past.event is not None:
            self._events.take(past.event.event)
        settled = past.settling(outcome, now)
        self.unheard.facts.append((self._append(settled), settled))

    def _tell_opened(self, past: Past) -> None:
        if not past.told:
            past.told = 1
            self._append(past.opening(self.step(past.key).describe()))
