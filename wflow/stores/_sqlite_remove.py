"""What is deleted from SQLite leaves in pieces, so that no transaction keeps the others waiting for long.

An instance is gone at once. Of a long journal, or of long streams, the rest stays behind: nobody can read it
any more, `remains` names it, and `sweep` deletes a piece of it at a time, after a restart as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.stores import pieces
from wflow.stores import statements as sql

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from wflow.stores._sqlite_rows import Counters

AT_ONCE: Final = 50
"""Instances that are retired in one transaction."""
ROWS: Final = 1_000
"""Records, or lines of no instance, that are deleted in one transaction."""
CELLS: Final = 200
"""Cells that have expired that are."""
PIECES: Final = 16
"""Pieces of streams that are: each may have a MiB."""


def remove(db: sqlite3.Connection, counters: Counters, keys: Sequence[int]) -> None:
    """Delete instances; what is too much for one transaction is left to `sweep`."""
    counters.mark(db)
    left = ROWS
    for key in keys:
        db.execute(sql.DELETE_INSTANCE, (key,))
        db.execute(sql.FORGET_EVENTS, (key,))
        db.execute(sql.FORGET_TAGS, (key,))
        streams = _streams(db, key)
        left -= _records(db, key, left)
        if left <= 0 or streams == PIECES:
            db.execute(sql.LEAVE_REMAINS, (key,))


def sweep(db: sqlite3.Connection) -> bool:
    """Delete a piece of what remains of instances that are gone; tell whether there is more."""
    left = db.execute(sql.REMAINS).fetchone()
    if left is None:
        db.execute(sql.FORGET_EMPTY_TALLIES)
        return False
    (key,) = left
    if _records(db, key, ROWS) < ROWS and _streams(db, key) < PIECES:
        db.execute(sql.FORGET_REMAINS, (key,))
    return True


def expired(db: sqlite3.Connection, counters: Counters, *, now: int, limit: int) -> int:
    """Delete instances whose retention is over, AT_ONCE at the most; give how many there were."""
    keys = [key for (key,) in db.execute(sql.EXPIRED, (now, min(limit, AT_ONCE)))]
    if keys:
        remove(db, counters, keys)
    return len(keys)


def _records(db: sqlite3.Connection, key: int, limit: int) -> int:
    return db.execute(sql.DELETE_SOME_RECORDS, (key, limit)).rowcount if limit > 0 else 0


def _streams(db: sqlite3.Connection, key: int) -> int:
    return db.execute(sql.DELETE_SOME_PIECES, (pieces.space(key), PIECES)).rowcount
