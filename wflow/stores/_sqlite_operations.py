"""What the SQLite store writes, as functions of a connection; each runs in a transaction of the writer's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from wflow.engine import names, status
from wflow.errors import TooMany
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_rows as rows
from wflow.stores import statements as sql
from wflow.stores.store import Absent, Cell, New

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from wflow.stores._sqlite_rows import Counters

_SIZES: Final = tuple((size, sql.several(sql.CREATE, size)) for size in (32, 4, 1))
"""How many instances one statement inserts."""


def create(db: sqlite3.Connection, counters: Counters, new: Sequence[New]) -> list[int | None]:
    """Insert instances, each on its own; a workflow's full queue refuses the whole call."""
    for workflow, coming in Counter(one.workflow for one in new).items():
        if not counters.has_room(db, workflow, coming):
            problem = f"workflow {workflow!r} has {rows.queued_in(db, workflow):,} queued instances"
            raise TooMany(f"{problem}; the limit is {names.QUEUED:,}")
    return insert(db, counters, new)


def insert(db: sqlite3.Connection, counters: Counters, new: Sequence[New]) -> list[int | None]:
    """Insert instances, however many are queued."""
    first = counters.key + 1
    counters.key += len(new)
    keys: list[int | None] = []
    start = 0
    for size, statement in _SIZES:
        while len(new) - start >= size:
            keys += _insert(db, statement, first + start, new[start : start + size])
            start += size
    for one, key in zip(new, keys, strict=True):
        if key is not None and one.parent is not None:
            _adopt(db, counters, key, one)
    tags = [(tag, key) for one, key in zip(new, keys, strict=True) if key is not None for tag in one.tags]
    if tags:
        db.executemany(sql.TAG, tags)
    return keys


def _insert(db: sqlite3.Connection, statement: str, first: int, new: Sequence[New]) -> list[int | None]:
    """Insert instances with one statement; give each its key, None for one whose id is taken."""
    given: list[object] = []
    for key, one in enumerate(new, first):
        given += (key, one.workflow, one.id, one.version, one.at, one.at, one.trigger, one.params, one.seed)
        given += (one.success_retention_ms, one.error_retention_ms, one.priority, one.concurrency_key)
    keys = range(first, first + len(new))
    if db.execute(statement, given).rowcount == len(new):
        return list(keys)
    there = {key for (key,) in db.execute(sql.CREATED, (keys[0], keys[-1]))}
    return [key if key in there else None for key in keys]


def _adopt(db: sqlite3.Connection, counters: Counters, key: int, one: New) -> None:
    db.execute(sql.ADOPT, (one.parent, one.awaited, one.follows, key))
    parent = rows.state_if_any(db, counters, one.parent or 0)
    if one.follows and (parent is None or parent.status in status.ENDED):
        inbox.cancel(db, counters, key, now=one.at)  # it came too late to be asked with the others


def note(db: sqlite3.Connection, counters: Counters, lines: Sequence[tuple[int, int, bytes]]) -> None:
    """Append lines of no instance."""
    for tag, at, body in lines:
        counters.position += 1
        db.execute(sql.APPEND, (counters.position, None, 0, tag, at, body))


def trim(db: sqlite3.Connection, counters: Counters, *, before: int, limit: int) -> int:
    """Delete old lines of no instance; their positions are never used again."""
    counters.mark(db)
    return db.execute(sql.TRIM, (before, limit)).rowcount


def write(db: sqlite3.Connection, changes: Sequence[Cell | Absent]) -> None:
    """Write and remove cells."""
    for change in changes:
        if isinstance(change, Cell):
            row = (change.space, change.key, change.value, change.meta, change.expires_at)
            db.execute(sql.WRITE_CELL, row)
        else:
            db.execute(sql.REMOVE_CELL, (change.space, change.key))
