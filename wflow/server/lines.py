"""Records as the lines that people read, the same in `wflow logs` and in a dev session's console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import requests, status, values
from wflow.engine.facts import (
    FAILED,
    LOGGED,
    MOVED,
    OPENED,
    PATCH,
    RECEIVED,
    SETTLED,
    TRIED,
    Failed,
    Logged,
    Moved,
    Opened,
    Received,
    Settled,
    Tried,
    decode,
)
from wflow.engine.names import PATCHED
from wflow.engine.outcome import NOT_YET, Err

if TYPE_CHECKING:
    from wflow.engine.outcome import Failure
    from wflow.stores.store import Record

DEBUG: Final = "debug"
INFO: Final = "info"
WARN: Final = "warn"
ERROR: Final = "error"

LEVELS: Final = (DEBUG, INFO, WARN, ERROR)

_LEVEL_OF: Final = {
    **{level: level for level in LEVELS},
    "log": INFO,
    "warning": WARN,
    "exception": ERROR,
    "critical": ERROR,
    "fatal": ERROR,
}
_DEBUG_ONLY: Final = frozenset({OPENED, TRIED, RECEIVED})
_ALL: Final = frozenset({OPENED, TRIED, FAILED, SETTLED, RECEIVED, MOVED, LOGGED})
_DONE: Final = {"sleep": "slept", "waitForEvent": "got its event", "rollback": "undone"}
_MOVED: Final = {
    status.WAITING: "waiting",
    status.PAUSING: "pausing",
    status.PAUSED: "paused",
    status.QUEUED: "queued",
    status.COMPLETE: "complete",
    status.ERRORED: "errored",
    status.TERMINATED: "terminated",
    status.ROLLING_BACK: "rolling back",
}
_REQUESTS: Final = {requests.CANCEL: "asked to cancel", requests.ROLL_BACK: "asked to roll back"}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one record says.

    ``cursor`` is its position in the store, ``kind`` which fact it is, ``source`` where it came from:
    workflow, step, request, worker. ``step`` is empty for a line of no step; ``data`` holds what
    JSON can say.
    """

    cursor: int
    at: int
    level: str
    source: str
    workflow: str | None
    instance: str | None
    step: str
    message: str
    data: dict[str, object]
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """Which lines are wanted; ``level`` is the least, ``step`` a key, or a name for all its visits."""

    level: str = INFO
    workflow: str | None = None
    instance: str | None = None
    step: str | None = None
    search: str | None = None

    @property
    def tags(self) -> list[int]:
        """The facts that can give a wanted line; empty means all, as the store has it."""
        return [] if self.level == DEBUG else sorted(_ALL - _DEBUG_ONLY)

    def wants(self, line: Line) -> bool:
        """Tell whether a line passes."""
        return (
            LEVELS.index(line.level) >= LEVELS.index(self.level)
            and self.workflow in {None, line.workflow}
            and self.instance in {None, line.instance}
            and self.step in {None, line.step, line.step.rpartition("-")[0] or None}
            and (self.search is None or self.search.lower() in _text_of(line).lower())
        )


def line_of(record: Record) -> Line | None:
    """Turn a record into its line; None when nobody can read it (a newer wflow wrote it)."""
    try:
        fact = decode(record.body)
    except msgspec.DecodeError:
        return None
    match fact:
        case Logged():
            return _logged(record, fact)
        case Moved():
            return _moved(record, fact)
        case Settled():
            return _settled(record, fact)
        case Failed():
            return _failed(record, fact)
        case Opened(key=key, kind=kind, detail=detail):
            return _line(record, "opened", DEBUG, f"{kind} begins", step=key, data=detail)
        case Tried(key=key, attempt=attempt):
            return _line(
                record, "tried", DEBUG, f"attempt {attempt} goes on", step=key, data={"attempt": attempt}
            )
        case Received(type=type_):
            return _line(record, "received", DEBUG, _received(type_), data={"type": type_})


def span(ms: int) -> str:
    """Show a duration to a person."""
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1_000:.1f}".removesuffix(".0") + " s"
    minutes, hours, days = ms // 60_000, ms // 3_600_000, ms // 86_400_000
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h" if hours < 48 else f"{days} days"


def _logged(record: Record, fact: Logged) -> Line:
    data = _plain(fact.detail)
    workflow, instance = record.workflow, record.id
    if record.instance is None:
        # A Worker's own line: prints made inside an instance say in their detail which it was.
        workflow = _taken(data, "workflow")
        instance = _taken(data, "instance")
    return Line(
        cursor=record.position,
        at=record.at,
        level=_LEVEL_OF.get(fact.level.lower(), INFO),
        source=fact.source,
        workflow=workflow,
        instance=instance,
        step=fact.step,
        message=fact.message,
        data=data,
        kind="logged",
    )


def _moved(record: Record, fact: Moved) -> Line:
    level, data = INFO, dict(fact.detail)
    if (version := fact.detail.get("version")) is not None:
        # A dev session has one version: there an instance moves when it fits that again.
        fits = version == fact.detail.get("from")
        message = "goes on after a fix" if fits else f"moved to version {version}"
    elif fact.status == status.RUNNING:
        first = record.seq == 1
        level, message = (INFO, "started") if first else (DEBUG, "goes on")
    elif fact.status == status.QUEUED and fact.detail.get("restart"):
        begin = fact.detail.get("from")
        message = f"restarted from {begin}" if begin else "restarted"
    else:
        message = _MOVED.get(fact.status, fact.status)
    if fact.failure is not None:
        level, message = ERROR, f"{message}: {_error(fact.failure)}"
        data |= _error_data(fact.failure)
    return _line(record, "moved", level, message, data=data)


def _received(type_: str) -> str:
    if type_.startswith(requests.CHILD):
        return "a child is over"
    return _REQUESTS.get(type_, f"event {type_!r} came in")


def _settled(record: Record, fact: Settled) -> Line:
    if fact.kind == PATCH:
        what = f"the code takes the way of {fact.key.removeprefix(PATCHED)!r}"
        return _line(record, "patched", DEBUG, what, data={})
    data: dict[str, object] = {"duration_ms": max(0, fact.at - fact.opened_at)}
    if fact.attempt:
        data["attempts"] = fact.attempt
    if isinstance(fact.outcome, Err):
        failure = fact.outcome.failure
        data["error"] = failure.name
        return _line(record, "settled", ERROR, f"failed: {_error(failure)}", step=fact.key, data=data)
    return _line(record, "settled", INFO, _DONE.get(fact.kind, "done"), step=fact.key, data=data)


def _failed(record: Record, fact: Failed) -> Line:
    if fact.failure == NOT_YET:
        return _line(record, "failed", DEBUG, f"check {fact.attempt}: not yet", step=fact.key, data={})
    message = f"attempt {fact.attempt} failed: {_error(fact.failure)}"
    data: dict[str, object] = {"attempt": fact.attempt, "duration_ms": max(0, fact.at - fact.began_at)}
    if fact.retry_at is not None:
        message += f"; retry in {span(max(0, fact.retry_at - fact.at))}"
        data["retry_at"] = fact.retry_at
    return _line(record, "failed", WARN, message, step=fact.key, data=data | _error_data(fact.failure))


def _line(
    record: Record, kind: str, level: str, message: str, *, step: str = "", data: dict[str, object]
) -> Line:
    return Line(
        cursor=record.position,
        at=record.at,
        level=level,
        source="step" if step else "workflow",
        workflow=record.workflow,
        instance=record.id,
        step=step,
        message=message,
        data=_plain(data),
        kind=kind,
    )


def _error(failure: Failure) -> str:
    return f"{failure.name}: {failure.message}" if failure.message else failure.name


def _error_data(failure: Failure) -> dict[str, object]:
    return {"error": failure.name, "trace": failure.trace} if failure.trace else {"error": failure.name}


def _plain(detail: dict[str, object]) -> dict[str, object]:
    return msgspec.convert(values.json_ready(detail), dict[str, object])


def _taken(data: dict[str, object], key: str) -> str | None:
    value = data.pop(key, None)
    return None if value is None else str(value)


def _text_of(line: Line) -> str:
    return f"{line.message} {msgspec.json.encode(line.data).decode()}" if line.data else line.message
