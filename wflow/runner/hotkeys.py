"""The keys of a dev session: b opens the browser, c clears the screen, x ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import tty
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BOX: Final = "[b] open a browser  [c] clear console  [x] to exit"
"""What the session offers."""


@contextlib.contextmanager
def listening(keys: Mapping[str, Callable[[], None]]) -> Iterator[None]:
    """Call what belongs to a key as it is pressed, while the block runs; then the terminal is as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def pressed() -> None:
        try:
            typed = os.read(descriptor, 64)
        except OSError:
            typed = b""
        if not typed:  # the terminal is gone; reading on would only say so again and again
            loop.remove_reader(descriptor)
        for key in typed.decode(errors="ignore").lower():
            act = keys.get(key)
            if act is not None:
                act()

    # Not raw: Ctrl-C stays a signal, and output keeps its line breaks.
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, pressed)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
