"""A time of its own: an event loop that waits for nothing, and whose clock is wflow's meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any

from wflow.runtime import clock, failures
from wflow.runtime.loop import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EPOCH_MS = 1_790_000_000_000
"""When everything begins."""
PATIENCE = 20_000
"""Turns of the loop after which what goes on has no end."""


class Endless(Exception):
    """Something goes on and on, and leads to nothing."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Where nothing is ready, the next timer's time has come; where there is no timer either, it stops."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.passes = 0
        self.broken: list[str] = []
        self._selector = self
        self._clock_resolution = 1e-8
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self.seconds

    def now(self) -> int:
        """Tell the time in milliseconds since 1970."""
        return EPOCH_MS + int(self.seconds * 1000 + 1e-4)

    def play(self, begin: Callable[[], object]) -> None:
        """Call ``begin``, and let time pass until nothing is left to wait for; raises Endless."""
        self.passes = 0
        self.call_soon(begin)
        self.run_forever()

    def select(self, timeout: float | None) -> list[Any]:
        """Pass the time (asyncio's loop asks its selector here)."""
        if timeout is None:
            self.stop()
        else:
            # A timer of next year is a moment away that may be nothing beside a year.
            self.seconds = max(self.seconds + timeout, math.nextafter(self.seconds, math.inf))
        self.passes += 1
        if self.passes > PATIENCE:
            raise Endless(f"{PATIENCE:,} turns of the loop, and there is no end")
        return []

    def _process_events(self, event_list: object) -> None:
        """Hear of no event: there are no sockets."""

    def _write_to_self(self) -> None:
        """Wake nobody: there is one thread."""

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.broken.append(f"{context.get('message')}: {context.get('exception')!r}")


def _untold(error: BaseException) -> str:
    """Take the place of what makes a traceback: half of the time would go into texts that nobody reads."""
    del error
    return ""


@contextlib.contextmanager
def virtual() -> Iterator[VirtualLoop]:
    """Give a loop whose clock wflow follows until the end."""
    loop = VirtualLoop()
    before = clock.follow(loop.now)
    as_completed, trace_of = asyncio.as_completed, failures.trace_of
    failures.trace_of = _untold
    asyncio.as_completed = asyncio.tasks.as_completed = in_order(as_completed)
    try:
        yield loop
    finally:
        asyncio.as_completed = asyncio.tasks.as_completed = as_completed
        failures.trace_of = trace_of
        clock.follow(before)
        loop.close()
