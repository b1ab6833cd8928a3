"""A journal folded into the steps that `describe` shows, in the order in which they were opened."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wflow.engine.facts import PATCH, Fact, Failed, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Err, Failure, Ok
from wflow.engine.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import Iterable

ATTEMPTS: Final = 100
"""Attempts of one step that are shown: of more, as many of the first as of the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptShown:
    """One call of the user's function; while it runs, and when its process died, there is no ``end``.

    A check of a poll that says to go on is a success.
    """

    number: int
    start: int
    end: int | None = None
    success: bool | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShown:
    """A step as far as its journal tells; ``key`` is its name with the number of the visit.

    ``success`` is None while it is not finished. ``output`` is an encoded value, ``event`` what a wait
    consumed. ``until`` is the deadline of a sleep, a wait or a poll, ``retry_at`` when the next attempt is
    due; both are later by the time that the instance stood still. ``tried`` is the number of attempts, of
    which ``attempts`` has the first and the last.
    """

    key: str
    kind: str
    start: int
    end: int | None = None
    success: bool | None = None
    attempts: tuple[AttemptShown, ...] = ()
    tried: int = 0
    config: dict[str, object] = field(default_factory=dict)
    output: bytes | None = None
    event: Received | None = None
    error: Failure | None = None
    until: int | None = None
    retry_at: int | None = None

    @property
    def finished(self) -> bool:
        """Whether it has an outcome."""
        return self.success is not None


def timeline(journal: Iterable[Fact]) -> list[StepShown]:
    """Fold facts, in the order of their seq, into steps."""
    steps: dict[str, _Step] = {}
    underway: dict[str, _Step] = {}
    events: dict[int, Received] = {}
    standstill = Standstill()
    for fact in journal:
        match fact:
            case Opened(key=key):
                steps[key] = underway[key] = _Step(key, fact.kind, fact.at, fact.detail)
            case Tried(key=key):
                steps[key].begin(fact.attempt, fact.at)
            case Failed(key=key):
                steps[key].fail(fact)
            case Settled(kind=kind) if kind == PATCH:
                pass  # no step
            case Settled(key=key):
                underway.pop(key, None)
                if key not in steps:
                    steps[key] = _Step(key, fact.kind, fact.opened_at, fact.detail)
                steps[key].settle(fact, None if fact.event is None else events.get(fact.event))
            case Received():
                events[fact.event] = fact
            case Moved():
                if still_ms := standstill.moved(fact):
                    for step in underway.values():
                        step.shift(still_ms)
            case _:
                pass
    return [step.shown() for step in steps.values()]


class _Step:
    """A step while it is folded."""

    def __init__(self, key: str, kind: str, start: int, detail: dict[str, object]) -> None:
        self._key = key
        self._kind = kind
        self._start = start
        self._config = detail
        self._until: int | None = None
        self._retry_at: int | None = None
        self._settled: Settled | None = None
        self._event: Received | None = None
        self._first: list[AttemptShown] = []
        self._last: deque[AttemptShown] = deque()
        self._tried = 0
        self._waits = True
        match kind, detail:
            case "sleep", {"until": int(instant)}:
                self._until, self._waits = instant, False
            case ("sleep", {"duration": int(span_ms)}) | ("waitForEvent" | "poll", {"timeout": int(span_ms)}):
                self._until = start + span_ms

    def begin(self, number: int, at: int) -> None:
        """Add an attempt unless it is there; one before it that was not heard of again was cut off."""
        if self._last and self._last[-1].number == number:
            return
        self._cut_off()
        self._retry_at = None
        self._last.append(AttemptShown(number=number, start=at))
        self._tried += 1
        if len(self._last) > ATTEMPTS // 2:
            one = self._last.popleft()
            if len(self._first) < ATTEMPTS // 2:
                self._first.append(one)

    def fail(self, fact: Failed) -> None:
        self.begin(fact.attempt, fact.began_at)
        self._retry_at = fact.retry_at
        if fact.failure == NOT_YET:
            self._end(fact.at)
        elif fact.failure == INTERRUPTED:
            self._cut_off()
        else:
            self._end(fact.at, fact.failure)

    def settle(self, fact: Settled, event: Received | None) -> None:
        self._settled, self._event, self._retry_at = fact, event, None
        if isinstance(fact.outcome, Err):
            self._cut_off()
        elif fact.attempt:
            self.begin(fact.attempt, fact.began_at)
            self._end(fact.at)

    def shift(self, still_ms: int) -> None:
        """Put off what it waits for."""
        if self._until is not None and self._waits:
            self._until += still_ms
        if self._retry_at is not None:
            self._retry_at += still_ms

    def shown(self) -> StepShown:
        settled = self._settled
        outcome = None if settled is None else settled.outcome
        return StepShown(
            key=self._key,
            kind=self._kind,
            start=self._start,
            end=None if settled is None else settled.at,
            success=None if outcome is None else isinstance(outcome, Ok),
            attempts=(*self._first, *self._last),
            tried=self._tried,
            config=self._config,
            output=outcome.value if isinstance(outcome, Ok) else None,
            event=self._event,
            error=outcome.failure if isinstance(outcome, Err) else None,
            until=self._until,
            retry_at=self._retry_at,
        )

    def _cut_off(self) -> None:
        """Note of an attempt that goes on that it was cut off, nobody knows when."""
        if self._last and self._last[-1].success is None:
            self._end(None, INTERRUPTED)

    def _end(self, at: int | None, error: Failure | None = None) -> None:
        number, start = self._last[-1].number, self._last[-1].start
        self._last[-1] = AttemptShown(number=number, start=start, end=at, success=error is None, error=error)
