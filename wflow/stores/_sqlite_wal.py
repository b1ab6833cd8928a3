"""The write-ahead log's file, made longer ahead of need: an fsync takes half as long when its length stays.

SQLite appends to the log, and the file system has to make the new length durable with each commit, beside the
data. Where zeros were written before, only the data is. SQLite reads them as the end of the log, as it does
with what is left there of an earlier round, and keeps the file's length from one round to the next.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from wflow.engine.names import KIB, MIB

if TYPE_CHECKING:
    from pathlib import Path

PAGES: Final = 4_000
"""Pages in the log from which on SQLite moves them into the database, and begins the log anew."""
PIECE_BYTES: Final = MIB
"""What is written at once: more would make the next commit wait."""
FIRST_BYTES: Final = 64 * KIB
"""How far the log grows by itself first: most stores are opened for a handful of commits."""
_FRAME_BYTES: Final = 24 + 4 * KIB


class Runway:
    """What lies ahead in the log's file; used by the one thread that writes to the database."""

    def __init__(self, database: Path) -> None:
        """Keep the log of an open ``database`` ahead of its commits."""
        self._file: int | None = None
        with contextlib.suppress(OSError):
            # That its descriptor is closed lets go of no lock: SQLite locks its other files only.
            self._file = os.open(f"{database}-wal", os.O_WRONLY | os.O_CLOEXEC)
            self._end = os.fstat(self._file).st_size + FIRST_BYTES

    def look(self) -> None:
        """Write zeros behind the log when it has come to their end; a disk without room goes without."""
        if self._file is None:
            return
        try:
            size = os.fstat(self._file).st_size
            if size <= self._end:
                return
            if size >= PAGES * _FRAME_BYTES:
                self.close()
                return
            self._end = size + os.pwrite(self._file, _ZEROS, size)
        except OSError:
            self.close()

    def close(self) -> None:
        """Write no more of them."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


_ZEROS: Final = bytes(PIECE_BYTES)
