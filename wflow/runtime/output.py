"""What user code prints, line by line, told with the instance and the step that printed it."""

from __future__ import annotations

import contextvars
import io
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.link.frames import Printed
from wflow.runtime.attempt import here
from wflow.runtime.clock import now

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from wflow.runtime.attempt import Place

HELD: Final = 10_000
"""Lines on their way to the event loop; more are counted, not kept."""

muted: contextvars.ContextVar[bool] = contextvars.ContextVar("wflow_muted", default=False)
"""Whether what the code at hand prints is told to nobody: its journal is only tried against it."""


class Output:
    """Sends lines over the link, from any thread, in the order in which they were said."""

    def __init__(self, loop: AbstractEventLoop, send: Callable[[Printed], None]) -> None:
        """Send by ``send``, which belongs to ``loop``."""
        self._loop = loop
        self._send = send
        self._lines: deque[Printed] = deque()
        self._left_out = 0
        self._scheduled = False
        self._held = False

    def hold(self, *, held: bool) -> None:
        """Keep lines back while the other end does not read what it is told, or let them go."""
        self._held = held
        if not held:
            self._flush()

    def say(self, level: str, text: str, detail: dict[str, object] | None = None) -> None:
        """Tell a line of the code at hand."""
        self.say_of(here.get(), level, text, detail)

    def say_of(
        self, place: Place | None, level: str, text: str, detail: dict[str, object] | None = None
    ) -> None:
        """Tell a line of code at ``place``."""
        if len(self._lines) >= HELD:
            self._left_out += 1
            return
        instance, step = (place.instance, place.step) if place else (0, "")
        self._lines.append(Printed(level, names.cut(text), now(), instance, step, detail or {}))
        # No lock: a finalizer may print at any moment, in this thread too. Two calls for one line do no harm.
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        while self._lines and not self._held:
            self._send(self._lines.popleft())
        if self._left_out and not self._held:
            count, self._left_out = self._left_out, 0
            self._send(Printed("warn", f"{count:,} lines were left out: too many at once", now()))


class _Rest(threading.local):
    """What one thread printed since its last line break, and where."""

    text = ""
    place: Place | None = None


class Lines(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr: whole lines go to the output."""

    def __init__(self, output: Output, level: str) -> None:
        """Tell lines at ``level``."""
        self._output = output
        self._level = level
        self._rest = _Rest()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What is printed goes on as UTF-8."""
        return "utf-8"

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Take text in; what ends in a line break is told."""
        if muted.get():
            return len(text)
        rest, place = self._rest, here.get()
        if rest.text and rest.place != place:
            self._output.say_of(rest.place, self._level, rest.text)
            rest.text = ""
        *whole, last = (rest.text + text).split("\n")
        # A line without an end must not grow for ever.
        while len(last) > names.LOG_LINE_CHARS:
            whole.append(last[: names.LOG_LINE_CHARS])
            last = last[names.LOG_LINE_CHARS :]
        rest.text, rest.place = last, place
        for line in whole:
            self._output.say_of(place, self._level, line)
        return len(text)

    def flush(self) -> None:
        """Hold an unfinished line back all the same: it is told when it ends."""
