"""JSON as a person types it: read with an error that points at the place."""

from __future__ import annotations

import json
from typing import NoReturn

from wflow.errors import UsageError

TRUNCATED = "[...output truncated]"
"""How a text ends that is not all of it; wrangler's words."""
_AROUND = 40


def read(text: str, what: str) -> object:
    """Read JSON; UsageError names ``what`` it should be, and shows where it is none."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        start = max(0, error.pos - _AROUND)
        shown = text[start : error.pos + _AROUND].replace("\n", " ")
        raise UsageError(
            f"cannot read {what} as JSON: {error.msg}, at line {error.lineno}, column {error.colno}\n\n"
            f"  {shown}\n  {' ' * (error.pos - start)}^",
            hint='quote it as a whole for the shell: \'{"url": "https://example.com"}\'',
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {what} as JSON: {error}") from error


def short(value: object, limit: int) -> str:
    """Write JSON in one line of at most ``limit`` characters, and say when that is not all of it."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}{TRUNCATED}"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number there")
