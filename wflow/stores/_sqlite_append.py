"""What holders of claims write to SQLite: facts, and what becomes of their instances."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from wflow.engine import status
from wflow.engine.changes import Ended, Held, Rested, Rolling, Told
from wflow.engine.facts import Moved
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_rows as rows
from wflow.stores import family
from wflow.stores import statements as sql
from wflow.stores.store import Appended

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from wflow.engine.outcome import Failure, RolledBack
    from wflow.stores._sqlite_rows import Counters
    from wflow.stores.store import Batch


def append(db: sqlite3.Connection, counters: Counters, batch: Batch) -> Appended:
    """Insert rows and make changes for claims that live and go on where the journals end; tell the others."""
    claims = dict(batch.claims)
    held = {
        key: _Hold(state, parent, seq)
        for key, epoch, state, parent, seq in db.execute(sql.LIVE, (json.dumps(list(claims)),))
        if epoch == claims[key]
    }
    # Whoever sends a batch may be mistaken, or worse: what no claim covers is refused as well.
    touched = claims.keys() | {row[0] for row in batch.rows} | {change.instance for change in batch.changes}
    refused = (touched - held.keys()) | _broken(batch, held)
    new = batch.rows if not refused else [row for row in batch.rows if row[0] not in refused]
    db.executemany(sql.APPEND, [(n, *row) for n, row in enumerate(new, counters.position + 1)])
    counters.position += len(new)
    if batch.received:
        # Those of refused claims stay for the next holder.
        receivers = json.dumps(list(held.keys() - refused))
        db.execute(sql.RECEIVED, (json.dumps(list(batch.received)), receivers))
    over = []
    for change in batch.changes:
        if change.instance in refused:
            continue
        hold = held[change.instance]
        match change:
            case Rested():
                _rest(db, counters, hold, change)
            case Ended():
                over.append(_end(db, hold, change))
            case Held(key, at, failure):
                db.execute(sql.HOLD, (status.PAUSED, at, _encoded(failure), key))
            case Rolling(key, at, failure):
                hold.status = status.after(hold.status, "rollBack") or hold.status
                db.execute(sql.ROLL, (hold.status, at, _encoded(failure), key))
            case Told():
                _show(db, change)
    return Appended(sorted(refused), inbox.spread(db, over))


class _Hold:
    """What a batch needs to know of an instance that it may change; ``end`` is its last record's number."""

    __slots__ = ("end", "parent", "status")

    def __init__(self, state: str, parent: int | None, end: int) -> None:
        self.status = state
        self.parent = parent
        self.end = end


def _broken(batch: Batch, held: Mapping[int, _Hold]) -> set[int]:
    """Name the instances whose rows do not go on, one by one, and those whose claim would end oddly.

    The others' ends are then where the rows will leave their journals.
    """
    broken: set[int] = set()
    for key, seq, *_ in batch.rows:
        hold = held.get(key)
        if hold is not None and hold.end == seq - 1:
            hold.end = seq
        else:
            # A journal has no gap: what would come after a lost append is refused with it.
            broken.add(key)
    left: set[int] = set()
    for change in batch.changes:
        if isinstance(change, (Rolling, Told)):
            continue
        if change.instance in left or (isinstance(change, Ended) and change.status not in status.ENDED):
            broken.add(change.instance)
        left.add(change.instance)
    return broken


def _rest(db: sqlite3.Connection, counters: Counters, hold: _Hold, change: Rested) -> None:
    key, at = change.instance, change.at
    after = status.after(hold.status, "rest")
    if after == status.PAUSED:
        # Neither time nor an event may wake it, but what it is asked to do.
        wake_at = at if inbox.has_any(db, key, ()) else None
        db.execute(sql.REST, (after, wake_at, None, at, key))
        rows.record(db, counters, key, Moved(after, at), after=hold.end)
    else:
        wake_at = at if inbox.has_any(db, key, change.awaits) else max(change.wake_at, rows.DIED + 1)
        db.execute(sql.REST, (after, wake_at, json.dumps(change.awaits) if change.awaits else None, at, key))


def _end(db: sqlite3.Connection, hold: _Hold, change: Ended) -> inbox.Over:
    key, at = change.instance, change.at
    how = {
        "status": change.status,
        "at": at,
        "output": change.output,
        "failure": _encoded(change.failure),
        "rollback": _encoded(change.rollback),
        "key": key,
    }
    db.execute(sql.END, how)
    db.execute(sql.FORGET_EVENTS, (key,))
    if hold.parent is None:
        return inbox.Over(key, at)
    heard = family.heard(change.status, change.output, change.failure)
    return inbox.Over(key, at, hold.parent, inbox.awaited(db, key), heard)


def _show(db: sqlite3.Connection, change: Told) -> None:
    db.execute(sql.SHOW, (change.shown, change.at, change.instance))
    if change.tags is not None:
        db.execute(sql.FORGET_TAGS, (change.instance,))
        db.executemany(sql.TAG, [(tag, change.instance) for tag in change.tags])


def _encoded(told: Failure | RolledBack | None) -> bytes | None:
    return None if told is None else msgspec.msgpack.encode(told)
