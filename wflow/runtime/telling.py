"""What workflow code tells of itself, checked at the door: its progress, and lines of its log."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from types import NoneType
from typing import Any, Final

from wflow.engine import names, values
from wflow.errors import InvalidInput

LEVELS: Final = ("debug", "info", "warn", "error")


def progress(done: float, total: float, message: object) -> dict[str, object]:
    """Read how much is done of a total; raises InvalidInput for what is no part of it."""
    numbers = (done, total)
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in numbers) or not (
        0 <= done <= total < inf
    ):
        given = f"{names.shown(done)} of {names.shown(total)}"
        raise InvalidInput(f"ctx.progress takes how much is done of a total, not {given}")
    return {"done": done, "total": total, "message": names.cut(str(message))}


def line(message: object, detail: Mapping[str, object] | None, level: str) -> tuple[str, dict[str, Any]]:
    """Read a line of the log: its text, and its values as JSON can say them; raises as `Context.log` does."""
    if level not in LEVELS:
        raise InvalidInput(f"a log level is one of {', '.join(LEVELS)}, not {names.shown(level)}")
    if not isinstance(detail, (Mapping, NoneType)):
        raise InvalidInput(f"ctx.log takes a dict of values beside the message, not {names.shown(detail)}")
    shown: Any = values.json_ready(values.decode(values.encode(dict(detail or {}))))
    return names.cut(str(message)), shown
