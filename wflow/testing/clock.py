"""The virtual clock: it stands still while anything runs, and is at the next thing due when nothing does."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

from wflow.engine import durations
from wflow.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wflow.runtime.clock import Timer


class Clock:
    """The time of a test. While ``auto`` is True it moves by itself, when the test waits and nothing runs.

    It moves from one thing that is due to the next: the end of a sleep, of a wait, of a retry's delay, of a
    poll's pause, whatever the store calls due. It never moves past a step that runs, and never while the test
    itself does something else than wait for wflow.
    """

    def __init__(self, start_ms: int, pass_to: Callable[[int], Awaitable[None]]) -> None:
        """Begin at an instant; ``pass_to`` lets all that is due until another one happen, one by one."""
        self.auto = True
        self._now_ms = start_ms
        self._pass_to = pass_to
        self.moved: Callable[[], None] = _nobody
        """Called when it has moved."""
        self._timers: list[tuple[int, int, _Timer]] = []
        self._count = count()

    def now(self) -> datetime:
        """Tell the time, in UTC."""
        return datetime.fromtimestamp(self._now_ms / 1000, UTC)

    async def advance(self, span: float | str | timedelta) -> None:
        """Let time pass: milliseconds, "1 hour" or a timedelta. All that is due within it happens, in order.

        It waits for each step that runs, and returns when nothing does.
        """
        await self._pass_to(self._now_ms + _milliseconds(span))

    def skip(self, span: float | str | timedelta) -> None:
        """Be so much later at once, even though steps run: what is due then happens as soon as it can."""
        self.move_to(self._now_ms + _milliseconds(span))
        self.ring()

    # -- for the kit -----------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Tell the time in milliseconds since 1970."""
        return self._now_ms

    def move_to(self, at: int) -> None:
        """Be at an instant, unless it is past."""
        self._now_ms = max(self._now_ms, at)
        self.moved()

    def ring(self) -> None:
        """Ring whatever was to ring by now."""
        while self._timers and self._timers[0][0] <= self._now_ms:
            _, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.ring()

    def ring_at(self, at: int, ring: Callable[[], None]) -> Timer:
        """Ring when it is ``at``; the loop's next pass, if it is that already."""
        timer = _Timer(ring)
        if at <= self._now_ms:
            asyncio.get_running_loop().call_soon(timer.ring_now)
        else:
            heapq.heappush(self._timers, (at, next(self._count), timer))
        return timer

    def next_ring(self) -> int | None:
        """Tell when the next thing is to ring."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def forget(self) -> None:
        """Ring for nobody any more."""
        self._timers.clear()


class _Timer:
    __slots__ = ("cancelled", "ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        self.ring = ring
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def ring_now(self) -> None:
        if not self.cancelled:
            self.ring()


def _nobody() -> None:
    pass


def _milliseconds(span: object) -> int:
    try:
        return durations.milliseconds(span)
    except ValueError as wrong:
        raise InvalidInput(f"the clock: {wrong}") from None
