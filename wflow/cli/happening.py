"""How an event of an instance is shown to a person, in one line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from wflow.cli import output, values, when

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VALUE_CHARS: Final = 500
_WIDTH: Final = len("rollback_attempt_completed")
_STYLES: Final = {"errored": "red", "out": "red", "terminated": "red", "completed": "green"}


def show(event: Mapping[str, Any]) -> None:
    """Print one event as the API gives it: `12:03:11.123 attempt_errored  charge-1  attempt 1, ...`."""
    type_ = str(event["type"])
    named = f"{type_:<{_WIDTH}}"
    if style := _STYLES.get(type_.rpartition("_")[2]):
        named = output.paint(named, style, sys.stdout)
    told = ", ".join(_details(event))
    what = "  ".join(part for part in (str(event.get("stepName", "")), told) if part)
    clock = when.clock(event["timestamp"], datetime.now(UTC))
    output.data(f"{clock} {named} {output.printable(what)}".rstrip())
    sys.stdout.flush()


def _details(event: Mapping[str, Any]) -> Iterator[str]:
    if "attempt" in event:
        yield f"attempt {event['attempt']}"
    if "durationMs" in event:
        yield f"for {when.spoken(event['durationMs'])}"
    if "eventType" in event:
        yield f"for an event of type {event['eventType']!r}"
    if error := event.get("error"):
        yield ": ".join(part for part in (error["name"], error["message"]) if part)
    if "retryDelayMs" in event:
        yield f"the next one in {when.spoken(event['retryDelayMs'])}"
    for value in ("params", "output"):
        if event.get(value) is not None:
            yield values.short(event[value], _VALUE_CHARS)
