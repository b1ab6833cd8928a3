"""A journal folded into the steps that `describe` shows, in the order in which they were opened."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wflow.engine.facts import Fact, Failed, Opened, Received, Settled, Tried
from wflow.engine.outcome import Err, Failure
from wflow.engine.steps.do import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptShown:
    """One call of the user's function; while it runs, and when its process died, there is no ``end``."""

    number: int
    start: int
    end: int | None = None
    success: bool | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShown:
    """A step as far as its journal tells; ``key`` is its name with the number of the visit.

    ``success`` is None while it is not finished. ``output`` is an encoded value, ``event`` what a wait
    consumed. ``until`` is the deadline of a sleep or a wait, ``retry_at`` when the next attempt is due.
    """

    key: str
    kind: str
    start: int
    end: int | None = None
    success: bool | None = None
    attempts: tuple[AttemptShown, ...] = ()
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
    steps: dict[str, StepShown] = {}
    events: dict[int, Received] = {}
    for fact in journal:
        match fact:
            case Opened(key=key):
                steps[key] = _configured(StepShown(key=key, kind=fact.kind, start=fact.at), fact.detail)
            case Tried(key=key, attempt=number):
                steps[key] = _begun(steps[key], number, fact.at)
            case Failed(key=key):
                steps[key] = _failed(steps[key], fact)
            case Settled(key=key):
                step = steps.get(key)
                if step is None:
                    step = _configured(StepShown(key=key, kind=fact.kind, start=fact.opened_at), fact.detail)
                steps[key] = _settled(step, fact, events)
            case Received():
                events[fact.event] = fact
            case _:
                pass
    return list(steps.values())


def _configured(step: StepShown, detail: dict[str, object]) -> StepShown:
    until = None
    match step.kind, detail:
        case "sleep", {"until": int(instant)}:
            until = instant
        case ("sleep", {"duration": int(span_ms)}) | ("waitForEvent", {"timeout": int(span_ms)}):
            until = step.start + span_ms
    return replace(step, config=detail, until=until)


def _begun(step: StepShown, number: int, at: int) -> StepShown:
    """Add an attempt unless it is there; one before it that was not heard of again died with its process."""
    if step.attempts and step.attempts[-1].number == number:
        return step
    begun = AttemptShown(number=number, start=at)
    return replace(step, attempts=(*_given_up(step.attempts), begun), retry_at=None)


def _given_up(attempts: tuple[AttemptShown, ...]) -> tuple[AttemptShown, ...]:
    if not attempts or attempts[-1].success is not None:
        return attempts
    return (*attempts[:-1], replace(attempts[-1], success=False, error=INTERRUPTED))


def _failed(step: StepShown, fact: Failed) -> StepShown:
    step = _begun(step, fact.attempt, fact.began_at)
    failed = replace(step.attempts[-1], end=fact.at, success=False, error=fact.failure)
    return replace(step, attempts=(*step.attempts[:-1], failed), retry_at=fact.retry_at)


def _settled(step: StepShown, fact: Settled, events: dict[int, Received]) -> StepShown:
    step = replace(step, end=fact.at, retry_at=None)
    if isinstance(fact.outcome, Err):
        failure = fact.outcome.failure
        return replace(step, success=False, error=failure, attempts=_given_up(step.attempts))
    if fact.attempt:
        step = _begun(step, fact.attempt, fact.began_at)
        ended = replace(step.attempts[-1], end=fact.at, success=True)
        step = replace(step, attempts=(*step.attempts[:-1], ended))
    event = None if fact.event is None else events.get(fact.event)
    return replace(step, success=True, output=fact.outcome.value, event=event)
