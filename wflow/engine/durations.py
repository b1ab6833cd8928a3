"""Durations as Cloudflare writes them: milliseconds, or "<n> second(s)" up to year(s)."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final

from wflow.engine import names

_UNITS: Final = {
    "second": names.SECOND_MS,
    "minute": names.MINUTE_MS,
    "hour": names.HOUR_MS,
    "day": names.DAY_MS,
    "week": 7 * names.DAY_MS,
    "month": 30 * names.DAY_MS,
    "year": 365 * names.DAY_MS,
}
_GRAMMAR = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week|month|year)s?\s*", re.ASCII)

type_names: Final = 'milliseconds, "10 seconds" or a timedelta'


def milliseconds(value: object) -> int:
    """Turn a duration into whole milliseconds, between 0 and 365 days.

    Takes an int or float (milliseconds), a timedelta, or text such as ``"10 seconds"``. Raises ValueError,
    whose message names the value and the rule.
    """
    given = _measure(value)
    if given is None:
        raise ValueError(f"{names.shown(value)} is no duration; give {type_names}")
    if given < 0:
        raise ValueError(f"{names.shown(value)} is negative")
    if given > names.WAIT_MS_MAX:
        raise ValueError(f"{names.shown(value)} is more than 365 days ({names.WAIT_MS_MAX} ms)")
    return round(given)


def _measure(value: object) -> float | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if not math.isnan(value):
            return value
        case timedelta():
            return value / timedelta(milliseconds=1)
        case str() if found := _GRAMMAR.fullmatch(value):
            return float(found[1]) * _UNITS[found[2]]
    return None
