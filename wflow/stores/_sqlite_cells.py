"""Cells in SQLite; small ones that are read again and again are answered from memory.

Nobody but this process writes to the database, so what is in memory is as good as what is on disk: a write
takes it out before and after, and what is read while anything is being written is not put in.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from wflow.engine.names import KIB
from wflow.stores import _sqlite_operations as operations
from wflow.stores import pieces
from wflow.stores import statements as sql
from wflow.stores.kept import Cell

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from wflow.stores._sqlite_readers import Readers
    from wflow.stores._sqlite_writer import Writer
    from wflow.stores.kept import Absent

HELD: Final = 1_000
"""Cells in memory."""
HELD_BYTES: Final = 4 * KIB
"""One that is larger is read anew each time."""


class Cells:
    """Reads and writes cells."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        """Read and write by these."""
        self._readers = readers
        self._writer = writer
        self._held: dict[tuple[str, str], Cell] = {}
        self._writing = 0
        self._writes = 0

    async def read(self, space: str, keys: Sequence[str], *, now: int) -> dict[str, Cell]:
        """Read cells that exist and have not expired."""
        known = [self._held.get((space, key)) for key in keys]
        if all(known) and not self._readers.closed:
            return {one.key: one for one in known if one is not None and _lives(one, now)}
        writes = self._writes
        found = await self._readers.read(lambda db: _read(db, space, keys, now))
        if writes == self._writes and not self._writing:
            self._hold(found.values())
        return found

    async def scan(self, space: str, *, now: int, prefix: str, after: str, limit: int) -> list[Cell]:
        """List cells by key."""
        # The least key beyond `after` is one NUL longer.
        wanted = (space, max(prefix, f"{after}\0"), _beyond(prefix), now, limit)
        rows = await self._readers.read(lambda db: db.execute(sql.SCAN_CELLS, wanted).fetchall())
        return [Cell(space=space, key=row[0], value=b"", meta=row[1], expires_at=row[2]) for row in rows]

    async def write(self, changes: Sequence[Cell | Absent]) -> None:
        """Write and remove cells."""
        size = sum(len(one.value) for one in changes if isinstance(one, Cell) and one.value)
        with self.changing(changes):
            await self._writer.submit(lambda db: operations.write(db, changes), rows=len(changes), size=size)

    @contextlib.contextmanager
    def changing(self, changes: Sequence[Cell | Absent]) -> Iterator[None]:
        """Answer nothing from memory that the block changes on disk."""
        self._writing += 1
        self._forget(changes)
        try:
            yield
        except asyncio.CancelledError:
            # Nobody waits any more, but what was asked for is written all the same: this comes behind it.
            self._writer.submit(lambda _: None).add_done_callback(lambda done: self._changed(changes, done))
            raise
        except BaseException:
            self._changed(changes)
            raise
        else:
            self._changed(changes)

    def _changed(self, changes: Sequence[Cell | Absent], done: asyncio.Future[None] | None = None) -> None:
        self._writing -= 1
        self._forget(changes)
        if done is not None and not done.cancelled():
            done.exception()  # a store that is closed has written it before

    def _forget(self, changes: Sequence[Cell | Absent]) -> None:
        self._writes += 1
        for change in changes:
            self._held.pop((change.space, change.key), None)

    def _hold(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            if len(cell.value) + len(cell.meta) > HELD_BYTES or pieces.is_space(cell.space):
                continue  # pieces of streams go with their instance, without a write
            if len(self._held) >= HELD:
                self._held.clear()  # whatever is read again is back with that
            self._held[cell.space, cell.key] = cell


def _lives(cell: Cell, now: int) -> bool:
    return cell.expires_at is None or cell.expires_at > now


def _read(db: sqlite3.Connection, space: str, keys: Sequence[str], now: int) -> dict[str, Cell]:
    rows = (db.execute(sql.READ_CELL, (space, key, now)).fetchone() for key in keys)
    return {
        row[0]: Cell(space=space, key=row[0], value=row[1], meta=row[2], expires_at=row[3])
        for row in rows
        if row is not None
    }


def _beyond(prefix: str) -> str | bytes:
    """Give what is greater than every text that begins with ``prefix``, and than no other text."""
    bare = prefix.rstrip("\U0010ffff")
    if not bare:
        return b""  # to SQLite any text is less than any blob
    last = ord(bare[-1]) + 1
    return bare[:-1] + chr(0xE000 if last == 0xD800 else last)  # surrogates are no characters
