"""The only place that asks the system for the time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def system() -> int:
    """Tell the system's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class _Clock:
    source: Callable[[], int] = staticmethod(system)


def now() -> int:
    """Tell the time in milliseconds since 1970."""
    return _Clock.source()


def follow(source: Callable[[], int]) -> Callable[[], int]:
    """Take the time from another clock from now on, in this whole process; give the one before.

    For tests, in which a week passes at once: `wflow.testing` puts a clock of its own here.
    """
    before, _Clock.source = _Clock.source, staticmethod(source)
    return before
