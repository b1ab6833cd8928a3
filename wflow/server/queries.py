"""What stands behind the `?` of a URL, read with limits; what is wrong is an InvalidInput that names it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wflow.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import QueryParams

LONGEST: Final = 1_000
"""Characters of one parameter."""
BIGGEST: Final = 2**62
"""Beyond every key, position and instant that a store can hold."""

_DIGITS = re.compile(r"[0-9]{1,19}")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,30}")
_SPAN = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|w)")
_SPANS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False, "": False}


def text(query: QueryParams, name: str) -> str | None:
    """Give a parameter's text; None when it is absent or empty."""
    given = query.get(name)
    if given is not None and len(given) > LONGEST:
        raise InvalidInput(f"`{name}` is longer than {LONGEST:,} characters")
    return given or None


def number(query: QueryParams, name: str, *, at_least: int = 0, at_most: int = BIGGEST) -> int | None:
    """Give a whole number within bounds; None when it is absent."""
    given = text(query, name)
    if given is None:
        return None
    if not _DIGITS.fullmatch(given) or not at_least <= int(given) <= at_most:
        raise InvalidInput(
            f"`{name}` must be a whole number from {at_least:,} to {at_most:,}, not {given[:40]!r}"
        )
    return int(given)


def flag(query: QueryParams, name: str) -> bool:
    """Tell whether a parameter is true; absent is false."""
    given = query.get(name, "").lower()
    if given not in _FLAGS:
        raise InvalidInput(f"`{name}` must be true or false, not {given[:40]!r}")
    return _FLAGS[given]


def choice(query: QueryParams, name: str, options: Sequence[str]) -> str | None:
    """Give one of ``options``; None when it is absent."""
    given = text(query, name)
    if given is not None and given not in options:
        raise InvalidInput(f"`{name}` must be one of {', '.join(options)}, not {given[:40]!r}")
    return given


def moment(query: QueryParams, name: str, *, now: int) -> int | None:
    """Give an instant in milliseconds since 1970: written so, as ISO 8601 (else UTC), or as how long ago."""
    given = text(query, name)
    if given is None:
        return None
    if _DIGITS.fullmatch(given) and int(given) <= BIGGEST:
        return int(given)
    if span := _SPAN.fullmatch(given):
        return max(0, now - int(span[1]) * _SPANS_MS[span[2]])
    try:
        instant = datetime.fromisoformat(given if _ISO.fullmatch(given) else "")
        return max(0, round(instant.replace(tzinfo=instant.tzinfo or UTC).timestamp() * 1_000))
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"`{name}` must be an instant such as 2026-11-22T07:30:00Z, or how long ago, such as 10m or 2h; "
            f"it is {given[:40]!r}"
        ) from None
