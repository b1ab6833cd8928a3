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
    next(durable)     the next outcome the code may see, in journal order

A step is known by its name and the nth call with that name. The order of outcomes is the journal's, so every
race among steps, timers and events has the same winner for ever.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import names
from wflow.engine.decisions import Decision, Park, Settle
from wflow.engine.events import Events
from wflow.engine.facts import Fact, Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import FULL, Err, Ok, Outcome
from wflow.engine.past import Past
from wflow.engine.status import ENDED
from wflow.errors import NonDeterminismError, TooMany

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wflow.engine.steps import Step

_WORKFLOW: Final = "workflow"
"""The source of log lines that come again with every replay."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """An outcome that the code may see now; ``event`` is what a wait consumed."""

    key: str
    outcome: Outcome
    at: int
    event: Received | None = None


class Machine:
    """One instance's journal, folded; see the module."""

    def __init__(
        self,
        journal: Iterable[Fact] = (),
        *,
        seq: int = 0,
        step_limit: int = names.STEPS,
        state_bytes: int = names.STATE_BYTES,
    ) -> None:
        """Fold ``journal``; ``seq`` is the number of its last record, new facts count on from there."""
        self.ended = False
        self._step_limit = step_limit
        self._bytes_left = state_bytes
        self._steps_asked = 0
        self._visits: dict[str, int] = {}
        self._pasts: dict[str, Past] = {}
        self._steps: dict[str, Step] = {}
        self._closed: set[str] = set()
        self._undecided: dict[str, None] = {}
        self._unseen: deque[tuple[int, Settled]] = deque()
        self._events = Events()
        self._waits: dict[str, dict[str, None]] = {}
        self._facts: list[Fact] = []
        self._seq = seq
        self._logs_recorded = 0
        self._logs_seen = 0
        for fact in journal:
            self._fold(fact)
        self._to_replay = len(self._unseen)
        self._recorded = list(self._pasts)

    @property
    def seq(self) -> int:
        """The number of the last fact, whether taken or not."""
        return self._seq + len(self._facts)

    @property
    def replaying(self) -> bool:
        """Whether the journal it was made of still holds an outcome that the code has not seen."""
        return self._to_replay > 0

    @property
    def awaiting(self) -> bool:
        """Whether an outcome is a fact, durable or not, that the code has not seen."""
        return bool(self._unseen)

    def open(self, step: Step, now: int, digest: bytes = b"") -> str:
        """Note that the code asks for ``step`` and give its key, ``name-n``.

        Raises NonDeterminismError when the journal has another kind of step, or other arguments, under that
        key, and TooMany over the limit of steps (sleeps and waits do not count, as with Cloudflare).
        """
        name = step.name
        visit = self._visits.get(name, 0) + 1
        key = f"{name}-{visit}"
        if step.kind == "do":
            self._count_step()
        past = self._pasts.get(key)
        if past is None:
            past = self._pasts[key] = Past(key=key, kind=step.kind, opened_at=now, digest=digest)
        else:
            _compare(past, step, digest)
        self._visits[name] = visit
        past.asked = True
        self._steps[key] = step
        if not past.settled:
            self._undecided[key] = None
            if step.awaits is not None:
                self._waits.setdefault(step.awaits, {})[key] = None
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
            self._closed.add(key)
            if past.event is not None:
                self._events.give_back(past.event.event)
                self._undecided |= self._waits.get(past.event.type, {})
        elif step.awaits is not None:
            del self._waits[step.awaits][key]

    def log(self, line: Logged) -> bool:
        """Append a log line, unless workflow code said it and the journal has it; say whether it is new."""
        if line.source == _WORKFLOW:
            self._logs_seen += 1
            if self._logs_seen <= self._logs_recorded:
                return False
        self._append(line)
        return True

    def undecided(self) -> list[str]:
        """Hand over the keys of steps that want a decision: they were opened, or an event was given back.

        Ask only when nothing is left to replay: an attempt must not begin before the journal is known to fit
        the code.
        """
        keys, self._undecided = self._undecided, {}
        return [key for key in keys if (past := self._pasts.get(key)) is not None and not past.settled]

    def decide(self, key: str, now: int) -> Decision:
        """Ask the step what happens next; a step that answers Settle is settled by that, once."""
        past, step = self._pasts[key], self._steps[key]
        if past.outcome is not None:
            return Settle(past.outcome)
        if step.awaits is not None:
            past.event = self._event_for(key, step.awaits, now)
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

    def report(self, key: str, outcome: Outcome, now: int) -> Outcome:
        """Note how the attempt that began last has ended, and give what is noted.

        That is an error when the value has no room in what the instance may keep (`names.STATE_BYTES`). A
        step that is closed or over hears nothing.
        """
        past = self._pasts.get(key)
        if past is None or past.settled:
            return outcome
        if isinstance(outcome, Ok):
            if len(outcome.value) <= self._bytes_left:
                self._settle(past, outcome, now)
                return outcome
            outcome = Err(FULL)
        self._tell_opened(past)
        past.failure, past.failed_at, past.retry_at = outcome.failure, now, None
        decision = self._steps[key].decide(past, now)
        if not isinstance(decision, Settle):
            past.retry_at = decision.until if isinstance(decision, Park) else now
        past.told = past.attempt + 1
        self._append(Failed(key, past.attempt, past.began_at, now, outcome.failure, past.retry_at))
        return outcome

    def receive(self, event: Received) -> bool:
        """Take an event in; False when it is known already, so that a delivery may come twice."""
        if not self._events.add(event):
            return False
        self._append(event)
        return True

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
        self.ended = moved.status in ENDED

    def take(self) -> list[Fact]:
        """Hand over the facts made since the last call; the last of them is number `seq`."""
        facts, self._facts = self._facts, []
        self._seq += len(facts)
        return facts

    def discard(self) -> None:
        """Take nothing of what was made since the last `take`: the code that made it is not to be trusted."""
        self._facts = []

    def next(self, durable: int) -> Seen | None:
        """Give the next outcome in journal order, if its record's number is at most ``durable``.

        Call it only when the code is quiet. Raises NonDeterminismError when the journal's next outcome is of
        a step that the code has not asked for, or when a recorded step is not asked for by the journal's end.
        """
        while self._unseen and self._unseen[0][0] <= durable:
            _, settled = self._unseen.popleft()
            self._to_replay -= 1
            if settled.key in self._closed:
                self._closed.discard(settled.key)
                continue
            past = self._pasts.get(settled.key)
            if past is None or not past.asked:
                raise NonDeterminismError(
                    f"the journal goes on with step {settled.key!r} ({settled.kind}), "
                    "which the code does not ask for here"
                )
            del self._pasts[settled.key], self._steps[settled.key]
            event = None if settled.event is None else self._events.seen(settled.event)
            return Seen(settled.key, settled.outcome, settled.at, event)
        if self._recorded and not self.replaying:
            self._expect_all_asked()
        return None

    def _append(self, fact: Fact) -> None:
        if self.ended:
            message = f"an instance that ended appends nothing, not even {fact}"
            raise AssertionError(message)
        self._facts.append(fact)

    def _count_step(self) -> None:
        if self._steps_asked >= self._step_limit:
            raise TooMany(
                f"The limit of {self._step_limit} steps has been reached. "
                "This limit can be changed in your worker configuration.",
                hint=f"set `limits.steps` of the workflow (up to {names.STEPS_MAX}), or split the work",
            )
        self._steps_asked += 1

    def _event_for(self, key: str, type_: str, now: int) -> Received | None:
        """Find the first event of a type that no step opened earlier will take, whoever is asked first."""
        events = self._events.waiting(type_)
        left = iter(events)
        event = next(left, None)
        for earlier in takewhile(lambda other: other != key, self._waits[type_]):
            if event is None:
                break
            past = self._pasts[earlier]
            past.event = event
            decision = self._steps[earlier].decide(past, now)
            if isinstance(decision, Settle) and isinstance(decision.outcome, Ok):
                event = next(left, None)
        return event

    def _settle(self, past: Past, outcome: Outcome, now: int) -> None:
        step = self._steps[past.key]
        if step.awaits is not None:
            del self._waits[step.awaits][past.key]
        if isinstance(outcome, Err):
            past.event = None
        if past.event is not None:
            self._events.take(past.event.event)
        detail = {} if past.told else step.describe()
        settled = Settled(
            past.key,
            past.kind,
            now,
            outcome,
            past.digest,
            past.opened_at,
            past.attempt,
            past.began_at,
            None if past.event is None else past.event.event,
            detail,
        )
        past.outcome = outcome
        self._count(outcome)
        self._append(settled)
        self._unseen.append((self.seq, settled))

    def _count(self, outcome: Outcome) -> None:
        if isinstance(outcome, Ok):
            self._bytes_left -= len(outcome.value)

    def _tell_opened(self, past: Past) -> None:
        if past.told:
            return
        past.told = 1
        detail = self._steps[past.key].describe()
        self._append(Opened(past.key, past.kind, past.opened_at, past.digest, detail))

    def _expect_all_asked(self) -> None:
        recorded, self._recorded = self._recorded, []
        for key in recorded:
            past = self._pasts.get(key)
            if past is not None and not past.asked:
                raise NonDeterminismError(
                    f"the journal has step {key!r} ({past.kind}) under way, which the code never asks for"
                )

    def _fold(self, fact: Fact) -> None:
        match fact:
            case Settled():
                past = self._folded(fact.key, fact.kind, fact.opened_at)
                past.digest = fact.digest
                past.outcome = fact.outcome
                self._count(fact.outcome)
                self._unseen.append((0, fact))
                if fact.event is not None:
                    past.event = self._events.take(fact.event)
            case Opened():
                past = self._folded(fact.key, fact.kind, fact.at)
                past.digest, past.told = fact.digest, 1
            case Tried():
                past = self._pasts[fact.key]
                past.attempt, past.began_at = fact.attempt, fact.at
                past.interrupted, past.told = True, fact.attempt + 1
            case Failed():
                past = self._pasts[fact.key]
                past.attempt, past.began_at = fact.attempt, fact.began_at
                past.failure, past.failed_at, past.retry_at = fact.failure, fact.at, fact.retry_at
                past.interrupted, past.told = False, fact.attempt + 1
            case Received():
                self._events.add(fact)
            case Logged(source=source) if source == _WORKFLOW:
                self._logs_recorded += 1
            case Moved():
                self.ended = fact.status in ENDED

    def _folded(self, key: str, kind: str, opened_at: int) -> Past:
        past = self._pasts.get(key)
        if past is None:
            past = self._pasts[key] = Past(key=key, kind=kind, opened_at=opened_at)
        return past


def _compare(past: Past, step: Step, digest: bytes) -> None:
    if past.kind != step.kind:
        raise NonDeterminismError(
            f"step {past.key!r} is recorded as {past.kind}, and the code asks for {step.kind}"
        )
    if past.digest and digest and past.digest != digest:
        raise NonDeterminismError(f"step {past.key!r} is called with other arguments than the recorded ones")
