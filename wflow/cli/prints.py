"""What the user's code prints, or logs, while it runs in the command's own process."""

from __future__ import annotations

import io
from typing import TextIO


class Prints(io.TextIOBase):
    """Stands in for stdout and stderr, also for what keeps hold of them: the handlers of `logging`, say.

    It goes on to where talk belongs while it is ``heard``; what is played again has been printed before.
    """

    def __init__(self, to: TextIO) -> None:
        """Print to ``to``."""
        self.heard = True
        self._to = to

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Take text in."""
        return self._to.write(text) if self.heard else len(text)

    def flush(self) -> None:
        """Hand on what was said so far."""
        self._to.flush()
