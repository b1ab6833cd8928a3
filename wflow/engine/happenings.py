"""A journal told as the numbered events that a subscriber of an instance sees, in Cloudflare's vocabulary.

A number is made of the position of the record that tells of the event: it grows over the whole life of the
instance, restarts included, and is the same whoever asks, and from wherever. So the fold runs over the
journal from its beginning, and what lies before a subscriber's cursor is left out of what it gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import names, status, values
from wflow.engine.facts import PATCH, Fact, Failed, Moved, Opened, Settled, Tried
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Err
from wflow.engine.retry import DEFAULT
from wflow.engine.steps.do import REDACTED, described
from wflow.engine.steps.rollback import PREFIX
from wflow.engine.stream import Reference
from wflow.errors import InvalidInput, WorkflowTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.outcome import Failure

_ATTEMPT: Final = ("attempt_started", "attempt_completed", "attempt_errored")
_STEP: Final = ("step_started", "step_completed", "step_errored")
_ENDS: Final = {
    status.COMPLETE: "workflow_completed",
    status.ERRORED: "workflow_errored",
    status.TERMINATED: "workflow_terminated",
}
_MOVED: Final = {
    status.QUEUED: "workflow_queued",
    status.RUNNING: "workflow_running",
    status.WAITING: "workflow_waiting",
    status.PAUSING: "workflow_waiting_for_pause",
    status.PAUSED: "workflow_paused",
    status.ROLLING_BACK: "workflow_running",
    **_ENDS,
}
_ROLLED_BACK: Final = {"complete": "rollback_completed", "failed": "rollback_errored"}
_CONFIG: Final = ("retries", "timeout", "sensitive", "every")
"""What is told of a step's settings; the last one is a poll's."""
_TIMED_OUT: Final = WorkflowTimeoutError.__name__
_RECORD: Final = 16
"""The numbers of one record; the most events that one tells of are four."""
_QUEUED: Final = 1
"""The number of the event that an instance was created: before any record's, for positions begin with 1."""

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "workflow": ("workflow_started", *dict.fromkeys(_MOVED.values())),
    "step": _STEP,
    "attempt": _ATTEMPT,
    "sleep": ("sleep_started", "sleep_completed"),
    "wait": ("wait_started", "wait_completed", "wait_timed_out"),
    "rollback": (
        "rollback_started",
        *(f"rollback_{each}" for each in (*_STEP, *_ATTEMPT)),
        "rollback_completed",
        "rollback_errored",
    ),
}
"""The types of events, by what they are about (developer documentation, "Subscribe to instance events")."""
TYPES: Final = tuple(each for group in GROUPS.values() for each in group)


class Happening(msgspec.Struct, frozen=True, gc=False):
    """One event; ``more`` is what there is to it beyond its type and its instant, under Cloudflare's keys."""

    number: int
    at: int
    type: str
    more: dict[str, Any]


class Underway(msgspec.Struct, array_like=True):
    """A step that has no outcome yet; ``trying`` says that its last attempt goes on as far as was told."""

    key: str
    kind: str
    sensitive: bool = False
    attempt: int = 0
    trying: bool = False


class Told(msgspec.Struct, array_like=True):
    """What the fold knows of the facts behind it: all that it needs to go on with those that follow."""

    started: bool = False
    rolling: bool = False
    steps: dict[str, Underway] = {}


class Happenings:
    """The fold: `begin` once, then `take` every fact in the journal's order.

    Only events of the ``wanted`` types with a number above ``after`` are given; ``params`` are what the
    instance began with. ``told`` is the fold's state, which another one, made of it, goes on with.
    """

    def __init__(
        self,
        params: bytes = values.NONE,
        *,
        wanted: frozenset[str] = frozenset(TYPES),
        after: int = 0,
        told: Told | None = None,
    ) -> None:
        """Stand before the journal's first fact, or where ``told`` was left."""
        self.told = told or Told()
        self._params = params
        self._wanted = wanted
        self._after = after
        self._number = 0
        self._given: list[Happening] = []

    def begin(self, at: int) -> list[Happening]:
        """Tell of the creation, of which there is no fact."""
        self._number = _QUEUED
        self._tell("workflow_queued", at)
        return self._give()

    def take(self, position: int, fact: Fact) -> list[Happening]:
        """Tell what a fact says, which the store keeps at ``position``."""
        self._number = position * _RECORD
        match fact:
            case Opened():
                self._opened(fact.key, fact.kind, fact.at, fact.detail)
            case Tried():
                self._begun(self._step(fact.key, fact.at), fact.attempt, fact.at, anew=True)
            case Failed():
                step = self._step(fact.key, fact.began_at)
                self._begun(step, fact.attempt, fact.began_at)
                if fact.failure == NOT_YET:
                    self._attempt_completed(step, fact.at)
                else:
                    self._attempt_errored(step, fact.failure, fact.at, fact.retry_at)
            case Settled() if fact.kind != PATCH:
                self._settled(fact)
            case Moved():
                self._moved(fact)
            case _:
                pass
        return self._give()

    def _opened(self, key: str, kind: str, at: int, detail: Mapping[str, Any]) -> Underway:
        step = self.told.steps[key] = Underway(key, kind, sensitive=detail.get("sensitive") == "output")
        if kind == "sleep":
            span_ms = detail["until"] - at if "until" in detail else detail.get("duration", 0)
            self._tell("sleep_started", at, step, durationMs=max(0, span_ms))
        elif kind == "waitForEvent":
            self._tell("wait_started", at, step, eventType=detail.get("type", ""))
        else:
            self._tell(f"{_of(step)}step_started", at, step, config=_config(detail))
        return step

    def _step(self, key: str, at: int) -> Underway:
        """Give a step; one of which nothing was told began now, for all that anybody knows."""
        step = self.told.steps.get(key)
        return self._opened(key, "do", at, {}) if step is None else step

    def _begun(self, step: Underway, attempt: int, at: int, *, anew: bool = False) -> None:
        """Tell that an attempt began, unless it is the one that goes on; else that one died meanwhile."""
        if step.trying:
            if step.attempt == attempt and not anew:
                return
            self._attempt_errored(step, INTERRUPTED, at)
        step.attempt, step.trying = attempt, True
        self._tell(f"{_of(step)}attempt_started", at, step, attempt=attempt)

    def _attempt_completed(self, step: Underway, at: int) -> None:
        step.trying = False
        self._tell(f"{_of(step)}attempt_completed", at, step, attempt=step.attempt)

    def _attempt_errored(
        self, step: Underway, failure: Failure, at: int, retry_at: int | None = None
    ) -> None:
        step.trying = False
        delay = {} if retry_at is None else {"retryDelayMs": max(0, retry_at - at)}
        type_ = f"{_of(step)}attempt_errored"
        self._tell(type_, at, step, attempt=step.attempt, error=_error(failure), **delay)

    def _settled(self, fact: Settled) -> None:
        step = self.told.steps.get(fact.key)
        if step is None:
            step = self._opened(fact.key, fact.kind, fact.opened_at, fact.detail)
        del self.told.steps[fact.key]
        outcome, at = fact.outcome, fact.at
        if step.kind == "sleep":
            self._tell("sleep_completed", at, step)
        elif isinstance(outcome, Err):
            self._gave_up(fact, step, outcome.failure)
        elif step.kind == "waitForEvent":
            self._tell("wait_completed", at, step)
        else:
            if fact.attempt:
                self._begun(step, fact.attempt, fact.began_at)
                self._attempt_completed(step, at)
            output = {"output": REDACTED if step.sensitive else outcome.value}
            self._tell(f"{_of(step)}step_completed", at, step, **({} if _of(step) else output))

    def _gave_up(self, fact: Settled, step: Underway, failure: Failure) -> None:
        if step.kind == "waitForEvent" and failure.name == _TIMED_OUT:
            self._tell("wait_timed_out", fact.at, step)
            return
        error = INTERRUPTED
        if fact.attempt > step.attempt:
            self._begun(step, fact.attempt, fact.began_at)
            error = failure
        if step.trying:
            self._attempt_errored(step, error, fact.at)
        self._tell(f"{_of(step)}step_errored", fact.at, step, error=_error(failure))

    def _moved(self, fact: Moved) -> None:
        told, at = self.told, fact.at
        more: dict[str, Any] = {}
        if "version" in fact.detail and fact.status != status.QUEUED:
            return  # it goes on in another version, and its status is what it was
        match fact.status:
            case status.QUEUED if is_restart(fact):
                told.started = told.rolling = False
            case status.RUNNING if not told.started:
                told.started = True
                self._tell("workflow_started", at, params=self._params)
            case status.ROLLING_BACK if not told.rolling:
                told.rolling = True
                self._tell("rollback_started", at)
                return
            case status.COMPLETE if fact.output is not None:
                more["output"] = fact.output
            case status.ERRORED | status.PAUSED if fact.failure is not None:
                more["error"] = _error(fact.failure)
        if rolled_back := _ROLLED_BACK.get(str(fact.detail.get("rollback"))):
            if told.rolling:
                self._tell(rolled_back, at)
            else:  # a restart from a step has cut away what it is the end of; what follows keeps its number
                self._number += 1
        if type_ := _MOVED.get(fact.status):
            self._tell(type_, at, **more)

    def _tell(self, type_: str, at: int, step: Underway | None = None, **more: object) -> None:
        """Give an event its number, and keep it if it is wanted; bytes in ``more`` are an encoded value."""
        number = self._number
        self._number += 1
        if number <= self._after or type_ not in self._wanted:
            return
        told: dict[str, object] = {} if step is None else {"stepName": _name(step)}
        for name, item in more.items():
            told[name] = _value(item) if isinstance(item, bytes) else item
        self._given.append(Happening(number, at, type_, told))

    def _give(self) -> list[Happening]:
        given, self._given = self._given, []
        return given


def wanted(given: object) -> frozenset[str]:
    """Read a filter: types of events, or groups of them; all types when there is none.

    Raises InvalidInput with all that there is.
    """
    if given is None or given == []:
        return frozenset(TYPES)
    if not isinstance(given, list):
        raise InvalidInput(f"a filter is a list of types of events, not {names.shown(given)}")
    found: set[str] = set()
    for each in given:
        if each in TYPES:
            found.add(each)
        elif isinstance(each, str) and each in GROUPS:
            found.update(GROUPS[each])
        else:
            raise InvalidInput(
                f"there are no events of type {names.shown(each)}",
                hint=f"there are the groups {', '.join(GROUPS)}, and the types {', '.join(TYPES)}",
            )
    return frozenset(found)


def is_restart(fact: Fact) -> bool:
    """Tell whether a fact says that the instance begins anew; what was told before may have been cut away."""
    return isinstance(fact, Moved) and fact.status == status.QUEUED and bool(fact.detail.get("restart"))


def last_number(position: int) -> int:
    """Give the greatest number that an event of the records up to ``position`` can have."""
    return position * _RECORD + _RECORD - 1


def event(happening: Happening, instance: str) -> dict[str, Any]:
    """Show an event of an instance under Cloudflare's keys; its values are as they were encoded."""
    return {
        "eventId": happening.number,
        "instanceId": instance,
        "timestamp": happening.at,
        "type": happening.type,
        **happening.more,
    }


def _of(step: Underway) -> str:
    """Give what the types of a step's events begin with."""
    return "rollback_" if step.kind == "rollback" else ""


def _name(step: Underway) -> str:
    """Give the key of a step; of a rollback, that of the step that it undoes."""
    return step.key.removeprefix(PREFIX) if step.kind == "rollback" else step.key


def _config(detail: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: detail[name] for name in _CONFIG if name in detail}
    return {**described(DEFAULT), **given}


def _value(raw: bytes) -> object:
    """Read a value; a stream, whose bytes lie elsewhere, is told of in words."""
    value = values.decode(raw)
    return str(value) if isinstance(value, Reference) else value


def _error(failure: Failure) -> dict[str, str]:
    return {"name": failure.name, "message": failure.message}
