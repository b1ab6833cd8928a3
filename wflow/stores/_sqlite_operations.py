"""What the SQLite store writes, as functions of a connection; each runs in a transaction of the writer's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wflow.engine import names, status
from wflow.errors import TooMany
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_rows as rows
from wflow.stores import statements as sql
from wflow.stores.store import Absent, Cell, Claim, New

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from wflow.stores._sqlite_rows import Counters


def create(db: sqlite3.Connection, counters: Counters, new: Sequence[New]) -> list[int | None]:
    """Insert instances, each on its own; a workflow's full queue refuses the whole call."""
    for workflow in {one.workflow for one in new}:
        coming = sum(one.workflow == workflow for one in new)
        # Counting two million rows for every create would cost more than the create.
        if counters.key + coming > names.QUEUED:
            (queued,) = db.execute(sql.QUEUED, (workflow,)).fetchone()
            if queued + coming > names.QUEUED:
                problem = f"workflow {workflow!r} has {queued:,} queued instances"
                raise TooMany(f"{problem}; the limit is {names.QUEUED:,}")
    keys: list[int | None] = []
    for one in new:
        key = counters.key + 1
        row = (key, one.workflow, one.id, one.version, one.at, one.at, one.trigger, one.params, one.seed)
        if db.execute(sql.CREATE, (*row, one.success_retention_ms, one.error_retention_ms)).rowcount:
            counters.key = key
            keys.append(key)
            if one.tags:
                db.executemany(sql.TAG, [(tag, key) for tag in one.tags])
            if one.parent is not None:
                _adopt(db, key, one)
        else:
            keys.append(None)
    return keys


def _adopt(db: sqlite3.Connection, key: int, one: New) -> None:
    db.execute(sql.ADOPT, (one.parent, one.awaited, one.follows, key))
    parent = rows.state_if_any(db, one.parent or 0)
    if one.follows and (parent is None or parent.status in status.ENDED):
        inbox.cancel(db, key, now=one.at)  # it came too late to be asked with the others


def claim(db: sqlite3.Connection, wanted: Mapping[str, int], owner: str, now: int) -> list[Claim]:
    """Take due instances, then queued ones."""
    taken: dict[int, bool] = {}
    for workflow, count in wanted.items():
        if count <= 0:  # SQLite takes a negative limit for none at all
            continue
        due = {key: wake_at == rows.DIED for key, wake_at in db.execute(sql.DUE, (workflow, now, count))}
        taken |= due
        if len(due) < count:
            queued = db.execute(sql.NEXT_QUEUED, (workflow, count - len(due)))
            taken |= {key: False for (key,) in queued}
    if not taken:
        return []
    by_key = {
        row[0]: Claim(
            key=row[0],
            epoch=row[1],
            workflow=row[2],
            id=row[3],
            version=row[4],
            created_at=row[5],
            params=row[6],
            seq=row[7],
            has_events=bool(row[8]),
            started_at=row[9],
            seed=row[10],
            pausing=bool(row[11]),
            shown=row[12],
            died=taken[row[0]],
        )
        for row in db.execute(sql.CLAIM, {"owner": owner, "now": now, "keys": json.dumps(list(taken))})
    }
    return [by_key[key] for key in taken]


def release(db: sqlite3.Connection, claims: Sequence[tuple[int, int]], wake_at: int) -> None:
    """End claims; their instances are due at ``wake_at``, which is DIED when their holders have."""
    db.executemany(sql.RELEASE, [(wake_at, key, epoch) for key, epoch in claims])


def note(db: sqlite3.Connection, counters: Counters, lines: Sequence[tuple[int, int, bytes]]) -> None:
    """Append lines of no instance."""
    for tag, at, body in lines:
        counters.position += 1
        db.execute(sql.APPEND, (counters.position, None, 0, tag, at, body))


def trim(db: sqlite3.Connection, counters: Counters, *, before: int, keep: int, limit: int) -> int:
    """Delete old lines of no instance; their positions are never used again."""
    counters.mark(db)
    return db.execute(sql.TRIM, {"before": before, "keep": keep, "limit": limit}).rowcount


def write(db: sqlite3.Connection, changes: Sequence[Cell | Absent]) -> None:
    """Write and remove cells."""
    for change in changes:
        if isinstance(change, Cell):
            row = (change.space, change.key, change.value, change.meta, change.expires_at)
            db.execute(sql.WRITE_CELL, row)
        else:
            db.execute(sql.REMOVE_CELL, (change.space, change.key))
