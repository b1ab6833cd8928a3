"""How often something may happen, as people write it: ``"300/s"``, ``"100 / minute"``."""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 1_000_000
"""The highest rate of all, in a second."""
LEAST: Final = 1
"""The lowest rate of all, in a day."""

_UNITS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_WORDS: Final = {
    **dict.fromkeys(("s", "sec", "second"), 1),
    **dict.fromkeys(("m", "min", "minute"), 60),
    **dict.fromkeys(("h", "hour"), 3_600),
    **dict.fromkeys(("d", "day"), 86_400),
}
_RATE: Final = re.compile(r"(\d{1,12}) ?/ ?([a-z]{1,6})", re.ASCII)


def parse(given: object) -> float:
    """Read a rate, as how many a second; raises ValueError that says what one looks like."""
    found = _RATE.fullmatch(given) if isinstance(given, str) else None
    seconds = 0 if found is None else _WORDS.get(found[2], 0)
    if found is None or not seconds:
        raise ValueError('a rate is a number and a time, such as "300/s", "20/min", "1000/h" or "5/d"')
    rate = int(found[1]) / seconds
    if not LEAST / _UNITS["d"] <= rate <= MOST:
        raise ValueError(f"a rate is {LEAST} a day to {MOST:,} a second")
    return rate


def shown(rate: float) -> str:
    """Write a rate with the shortest time in which it is a whole number."""
    for unit, seconds in _UNITS.items():
        if abs(rate * seconds - round(rate * seconds)) < 1e-6:
            return f"{round(rate * seconds)}/{unit}"
    return f"{rate:.3g}/s"
