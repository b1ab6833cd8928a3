"""How a line of the log is shown: for a person, and for a program."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from wflow.cli import output, when

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLES: Final = {"debug": "dim", "warn": "yellow", "error": "red"}
_WIDTH: Final = len("ERROR")


def show(line: Mapping[str, Any]) -> None:
    """Print one line as the API gives it: `12:03:11.123 INFO  my-workflow order-1 charge-1  message {data}`.

    A line of another day has its date. What our own lines have in their data is in their message already, but
    for how long something took. A traceback follows below.
    """
    level = f"{line['level'].upper():<{_WIDTH}}"
    if style := _STYLES.get(line["level"]):
        level = output.paint(level, style, sys.stdout)
    where = " ".join(part for part in (line["workflow"], line["instance"], line["step"]) if part)
    said = f"{line['message']}{_detail(line)}"
    text = output.printable(f"{where}  {said}" if where else said)
    output.data(f"{when.clock(line['at'], datetime.now(UTC))} {level} {text}")
    trace = line["data"].get("trace")
    if isinstance(trace, str):
        for row in output.printable(trace.rstrip()).splitlines():
            output.data(f"    {row}")
    sys.stdout.flush()


def _detail(line: Mapping[str, Any]) -> str:
    data = {key: value for key, value in line["data"].items() if key != "trace"}
    if line["kind"] == "logged" and line["source"] != "request":
        return f" {json.dumps(data, ensure_ascii=False)}" if data else ""
    took = data.get("duration_ms")
    return f" ({when.spoken(took)})" if isinstance(took, int) else ""
