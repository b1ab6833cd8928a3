"""When a schedule fires: five fields of cron as Cloudflare reads them, in UTC.

Days of the week are 1 (Sunday) to 7 (Saturday) or SUN to SAT, which other crons count from 0; `L`, `LW` and
`#` are as in Quartz. When both a day of the month and a day of the week are named, either will do.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from cronsim import CronSim, CronSimError

CRON_CHARS: Final = 256
"""Of one schedule, as with Cloudflare; it is part of the ids of the instances that it creates."""
MOST: Final = 100
"""Crons and workflows' schedules of one Worker, as with Cloudflare."""

_EXAMPLE: Final = 'five fields of cron, such as "0 * * * *"'
_FIELDS: Final = 5
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DIGITS: Final = re.compile(r"\d+")
_AFTER_A_SLASH: Final = re.compile(r"([/#])(\d+)")
_FROM_A_DAY: Final = re.compile(r"(?<![^,])(\d)/")
_PLAIN: Final = re.compile(r"[A-Za-z0-9, */#-]+", re.ASCII)


class Cron:
    """A schedule; instants are milliseconds since 1970."""

    def __init__(self, text: str) -> None:
        """Read ``text``; raises ValueError that says what is wrong with it."""
        if len(text) > CRON_CHARS or not _PLAIN.fullmatch(text):
            raise ValueError(f"a schedule is {_EXAMPLE} (at most {CRON_CHARS} characters)")
        fields = text.upper().split()
        if len(fields) != _FIELDS:
            raise ValueError(f"a schedule is {_EXAMPLE}; this has {len(fields)}")
        if re.search(r"\dW", fields[2]):
            raise ValueError("the weekday nearest to a day (15W) is not known here; LW, the last one, is")
        fields[4] = _weekdays(fields[4])
        self._fields = " ".join(fields)
        try:
            self.next(0)
        except CronSimError as error:
            raise ValueError(f"{str(error).lower()} in a schedule of {_EXAMPLE}") from None
        except StopIteration:
            raise ValueError("a schedule that never fires") from None

    def next(self, after: int) -> int:
        """Tell when it fires first after an instant."""
        return _ms(next(CronSim(self._fields, _moment(after))))

    def last(self, until: int) -> int | None:
        """Tell when it fired last, up to an instant; None if that would be before 1970."""
        # The search begins before the instant, which may be one of them itself.
        found = _ms(next(CronSim(self._fields, _moment(until + 1000), reverse=True)))
        while found > until:
            found = _ms(next(CronSim(self._fields, _moment(found), reverse=True)))
        return found if found >= 0 else None


def parse(given: object) -> str:
    """Give a schedule as it was written, once it makes sense; raises ValueError."""
    if not isinstance(given, str):
        raise ValueError(f"a schedule is {_EXAMPLE}")  # noqa: TRY004 - as everything that is wrong with it
    Cron(given)
    return given


def instance_id(cron: str, at: int) -> str:
    """Name the instance that a schedule creates at an instant: the same however often it is tried."""
    return f"{cron}-{at}"


def told(id_: str) -> tuple[str, int] | None:
    """Read the schedule and the instant off an instance's id; None for one that no schedule made."""
    cron, _, at = id_.rpartition("-")
    return (cron, int(at)) if " " in cron and _DIGITS.fullmatch(at) else None


def _weekdays(field: str) -> str:
    """Count them from 0, as the library does; steps and "the third" are no days."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[2])
        return found[1] + "@"

    days = _DIGITS.sub(_from_zero, _AFTER_A_SLASH.sub(keep, field))
    for number in kept:
        days = days.replace("@", number, 1)
    for at, day in enumerate(_DAYS):
        days = days.replace(day, str(at))
    # From a day on, by steps: up to Saturday, where the library goes on to its second Sunday.
    return _FROM_A_DAY.sub(r"\1-6/", days)


def _from_zero(found: re.Match[str]) -> str:
    day = int(found[0])
    if not 1 <= day <= 7:
        raise ValueError(f"a day of the week is 1 (Sunday) to 7 (Saturday), or SUN to SAT, not {day}")
    return str(day - 1)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
