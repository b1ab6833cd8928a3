"""Instants and spans of time as workflow code says them."""

from __future__ import annotations

from datetime import UTC, datetime

from wflow.engine.durations import milliseconds
from wflow.engine.names import WAIT_MS_MIN, shown
from wflow.errors import InvalidInput


def instant(step: str, moment: object) -> int:
    """Read an instant, in milliseconds since 1970: a datetime (without a zone it is local time), or a number.

    Raises InvalidInput naming the step; what lies before 1970 is 0.
    """
    try:
        match moment:
            case datetime():
                return max(0, round(_seconds(moment) * 1000))
            case int() | float() if not isinstance(moment, bool):
                return max(0, round(moment))
    except (ValueError, OverflowError):  # it is no number, or infinite
        pass
    raise InvalidInput(f"step {step!r}: sleep_until takes a datetime or milliseconds, not {shown(moment)}")


def _seconds(moment: datetime) -> float:
    try:
        return moment.timestamp()
    except (ValueError, OverflowError):  # local time does not reach the edges of the calendar
        return moment.replace(tzinfo=UTC).timestamp()


def span(step: str, duration: object) -> int:
    """Read a span of time, in milliseconds; raises InvalidInput naming the step."""
    return _read(step, duration, "")


def pause(step: str, what: str, duration: object) -> int:
    """Read a span of a second or more, in milliseconds; raises InvalidInput naming the step and ``what``."""
    span_ms = _read(step, duration, f"{what}: ")
    if span_ms < WAIT_MS_MIN:
        raise InvalidInput(f"step {step!r}: {what} must be at least 1 second, not {span_ms} ms")
    return span_ms


def _read(step: str, duration: object, prefix: str) -> int:
    try:
        return milliseconds(duration)
    except ValueError as wrong:
        raise InvalidInput(f"step {step!r}: {prefix}{wrong}") from None
