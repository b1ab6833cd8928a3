"""How often something may happen: a bucket of tokens for each workflow, which a second fills."""

from __future__ import annotations

import math
from typing import Final

_CRUMB: Final = 1e-6
"""What adding up leaves behind."""


class Bucket:
    """A bucket that holds what a second brings, and one at the least. Times are milliseconds.

    Who takes more than it holds at once leaves it in debt, so that what is in one piece passes as well, and
    no more than ``rate`` a second do over time. A clock that is put back brings nothing.
    """

    def __init__(self, rate: float, now: int) -> None:
        """Begin with a full one, for so many a second."""
        self.rate = rate
        self._most = max(1.0, rate)
        self._there = self._most
        self._at = now

    def room(self, now: int) -> int:
        """Tell how many may be taken at once."""
        self._fill(now)
        return max(0, math.floor(self._there + _CRUMB))

    def take(self, count: int, now: int) -> None:
        """Take that many, whether they are there or not."""
        self._fill(now)
        self._there -= count

    def wait_ms(self, count: int, now: int) -> int:
        """Tell how long it is until that many may be taken, or as many as it holds; 0 is now."""
        self._fill(now)
        missing = min(float(count), self._most) - self._there
        return 0 if missing <= _CRUMB else max(1, math.ceil(missing / self.rate * 1000))

    def _fill(self, now: int) -> None:
        if now > self._at:
            self._there = min(self._most, self._there + (now - self._at) * self.rate / 1000)
        self._at = now


class Buckets:
    """The buckets of workflows that have a rate, by name; another rate makes another bucket."""

    def __init__(self) -> None:
        """Begin with none."""
        self._buckets: dict[str, Bucket] = {}

    def of(self, workflow: str, rate: float, now: int) -> Bucket:
        """Give a workflow's bucket for ``rate`` a second."""
        found = self._buckets.get(workflow)
        if found is None or found.rate != rate:
            found = self._buckets[workflow] = Bucket(rate, now)
        return found
