"""An instance that is put on another version in SQLite, if it is as whoever asks for that knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.engine import facts, status
from wflow.engine.facts import Moved
from wflow.errors import InstanceEnded
from wflow.stores import _sqlite_rows as rows
from wflow.stores import moves
from wflow.stores import statements as sql
from wflow.stores.store import Moving

if TYPE_CHECKING:
    import sqlite3

    from wflow.stores._sqlite_rows import Counters


def migrate(
    db: sqlite3.Connection, counters: Counters, key: int, *, version: str, seq: int, now: int
) -> Moving | None:
    """Put an instance on another version; None when somebody holds it, or it has gone on from ``seq``."""
    before = rows.state(db, counters, key)
    if before.status in status.ENDED:
        raise InstanceEnded(
            "(instance.cannot_migrate) Cannot migrate instance since its on a finite state",
            hint="`restart` runs it anew, on the current version",
        )
    if before.owner is not None or rows.last_seq(db, key) != seq:
        return None
    after, old = before.status, rows.get(db, key).version
    db.execute(sql.MIGRATE, (version, now, key))
    if moves.diverged(_last_moved(db, key)):
        # It was paused by nobody: with code that fits there is nothing left to wait for.
        after = status.QUEUED
        db.execute(sql.MOVE, {"status": after, "now": now, "ended": False, "wake_at": None, "key": key})
    moved = Moved(after, now, detail={"version": version, "from": old})
    rows.record(db, counters, key, moved, after=seq)
    return Moving(rows.get(db, key), [])


def _last_moved(db: sqlite3.Connection, key: int) -> Moved | None:
    row = db.execute(sql.LAST_MOVED, (key, facts.MOVED)).fetchone()
    fact = None if row is None else facts.decode(row[0])
    return fact if isinstance(fact, Moved) else None
