"""The only place that asks the system for the time, and has it ring at an instant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that is to ring."""

    def cancel(self) -> object:
        """Do not ring."""
        ...


RingAt = Callable[[int, Callable[[], None]], Timer]
"""Calls something on the running loop at an instant."""


def system() -> int:
    """Tell the system's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _by_the_loop(at: int, ring: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(max(0, at - now()) / 1000, ring)


class _Clock:
    source: Callable[[], int] = staticmethod(system)
    nanoseconds: Callable[[], int] = staticmethod(time.time_ns)
    ring_at: RingAt = staticmethod(_by_the_loop)


def now() -> int:
    """Tell the time in milliseconds since 1970."""
    return _Clock.nanoseconds() // 1_000_000  # one call less than `source`: every step asks four times


def ring_at(at: int, ring: Callable[[], None]) -> Timer:
    """Call ``ring`` on the running loop when it is ``at``, or as soon as it was; gives what cancels that."""
    return _Clock.ring_at(at, ring)


def follow(source: Callable[[], int], ring_at: RingAt = _by_the_loop) -> Callable[[], int]:
    """Take the time from another clock from now on, in this whole process; give the one before.

    ``ring_at`` is how that clock rings; without it, the loop's own time says when the moment has come.
    For tests, in which a week passes at once: `wflow.testing` puts a clock of its own here.
    """
    before, _Clock.source = _Clock.source, staticmethod(source)
    _Clock.nanoseconds = staticmethod(time.time_ns if source is system else lambda: source() * 1_000_000)
    _Clock.ring_at = staticmethod(ring_at)
    return before
