"""Times as a person types and reads them: `10m` ago, local clocks, durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from wflow.errors import UsageError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(r"(\d{1,6})([smhdw])")


def since(text: str, now: datetime) -> datetime:
    """Read `10m`, `2h`, `1d` (before ``now``) or an ISO 8601 time, which is local when it names no zone."""
    if ago := _AGO.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"`{text}` is no time",
            hint="say how long ago (30s, 10m, 2h, 1d) or when (2026-11-22, 2026-11-22T12:00:00Z)",
        ) from error


def read(given: object) -> datetime | None:
    """Read a time of the API: ISO 8601, or milliseconds since 1970; None for what is neither."""
    try:
        match given:
            case str():
                return datetime.fromisoformat(given)
            case int() | float():
                return datetime.fromtimestamp(given / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def local(given: object) -> str:
    """Show a time of the API on the person's own clock, to the second; nothing for None."""
    time = read(given)
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else ""


def exact(given: object) -> str:
    """Show a time of the API on the person's own clock, to the millisecond; nothing for None."""
    time = read(given)
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3] if time else ""


def clock(given: object, now: datetime) -> str:
    """Show the time of the day, to the millisecond; with the date when that is not the day of ``now``."""
    day = f"{now.astimezone():%Y-%m-%d} "
    return exact(given).removeprefix(day)


def took(start: object, end: object) -> str:
    """Show how long something took; nothing while it goes on."""
    begun, ended = read(start), read(end)
    return spoken((ended - begun) // timedelta(milliseconds=1)) if begun and ended else ""


def spoken(duration_ms: int) -> str:
    """Say `12 ms`, `1.5 s`, `2 min 5 s`, `3 h 20 min`, `12 d 4 h`: two units at the most."""
    if duration_ms < 1_000:
        return f"{duration_ms} ms"
    seconds = duration_ms / 1_000
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, seconds = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
