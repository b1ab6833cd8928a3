"""What user code prints, line by line, told with the instance and the step that printed it."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.link.frames import Printed
from wflow.runtime.attempt import here
from wflow.runtime.clock import now

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

HELD: Final = 10_000
"""Lines on their way from threads; more are counted, not kept."""


class Output:
    """Sends lines over the link, from any thread."""

    def __init__(self, loop: AbstractEventLoop, send: Callable[[Printed], None]) -> None:
        """Send by ``send``, which belongs to ``loop``."""
        self._loop = loop
        self._send = send
        self._thread = threading.get_ident()

    def say(self, level: str, text: str, detail: dict[str, object] | None = None) -> None:
        """Tell a line."""
        place = here.get()
        line = Printed(
            level,
            text[: names.LOG_LINE_CHARS],
            now(),
            place.instance if place else 0,
            place.step if place else "",
            detail or {},
        )
        if threading.get_ident() == self._thread:
            self._send(line)
        else:
            self._loop.call_soon_threadsafe(self._send, line)


class Lines(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr: whole lines go to the output."""

    def __init__(self, output: Output, level: str) -> None:
        """Tell lines at ``level``."""
        self._output = output
        self._level = level
        self._rest = ""
        self._lock = threading.Lock()

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, text: str) -> int:
        """Take text in; what ends in a line break is told."""
        with self._lock:
            *whole, rest = (self._rest + text).split("\n")
            # A line without an end must not grow for ever.
            while len(rest) > names.LOG_LINE_CHARS:
                whole.append(rest[: names.LOG_LINE_CHARS])
                rest = rest[names.LOG_LINE_CHARS :]
            self._rest = rest
        for line in whole:
            self._output.say(self._level, line)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back but an unfinished line."""
