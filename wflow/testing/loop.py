"""The event loop of a test: it says when nothing is left to do but to wait."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Selector(selectors.DefaultSelector):
    """Calls ``idle`` when the loop would wait: nothing is ready to run, and nothing is in any socket.

    The link between a runner and a runtime in one process is a socket pair of this loop, and what is written
    to one end can be read at the other at once. So what is still on its way then is in a thread.
    """

    def __init__(self) -> None:
        """Make one that calls nobody yet."""
        super().__init__()
        self.idle: Callable[[], bool] = _nobody
        """Says whether it has begun something, so that the loop is not to wait."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give what is ready."""
        if timeout is None or timeout > 0:
            ready = super().select(0)
            if ready or self.idle():
                return ready
        return super().select(timeout)


def _nobody() -> bool:
    return False


def new() -> tuple[asyncio.AbstractEventLoop, Selector]:
    """Make a loop, and the selector that says when it is idle."""
    selector = Selector()
    return asyncio.SelectorEventLoop(selector), selector
