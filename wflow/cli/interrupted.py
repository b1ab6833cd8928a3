"""Ctrl-C while the user's code runs in the command's own process: it ends that, whatever the code catches."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

from wflow.cli.failure import STOPPED

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interrupts:
    """Who hears of Ctrl-C: whoever talks with the person, as KeyboardInterrupt; the whole process otherwise.

    Code that blocks for ever may catch all that is raised in it, and the engine takes it for the code's end.
    """

    def __init__(self) -> None:
        """Begin with nobody who talks."""
        self._talks = 0

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Have Ctrl-C end the process in this block; elsewhere than in the main thread nothing is changed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextlib.contextmanager
    def talking(self) -> Iterator[None]:
        """Have Ctrl-C raise KeyboardInterrupt in this block: it waits for the person."""
        self._talks += 1
        try:
            yield
        finally:
            self._talks -= 1

    def _interrupted(self, _signal: int, _frame: object) -> None:
        if self._talks:
            raise KeyboardInterrupt
        os._exit(STOPPED)  # what was printed is out: it is flushed before the code goes on
