"""What the SQLite store writes, as functions of a connection; each runs in a transaction of the writer's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from wflow.engine import names, status
from wflow.engine.changes import Change, Ended, Held, Rested
from wflow.engine.facts import MOVED, Moved, Received, encode
from wflow.errors import InstanceEnded, InstanceNotFound, TooMany
from wflow.stores import statements as sql
from wflow.stores.store import Absent, Batch, Cell, Claim, Delivery, Instance, New

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from wflow.engine.changes import Row


class Counters:
    """The last key and position. In memory, because there is one writer; never used again."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Go on after the last ones in the database, or that were in it before they were deleted."""
        marks: dict[str, int] = dict(db.execute(sql.MARKS).fetchall())
        self.key: int = max(db.execute(sql.LAST_KEY).fetchone()[0], marks.get("key", 0))
        self.position: int = max(db.execute(sql.LAST_POSITION).fetchone()[0], marks.get("position", 0))


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
        row = (key, one.workflow, one.id, one.version, one.at, one.at, one.trigger, one.params)
        if db.execute(sql.CREATE, row).rowcount:
            counters.key = key
            keys.append(key)
        else:
            keys.append(None)
    return keys


def claim(db: sqlite3.Connection, wanted: Mapping[str, int], owner: str, now: int) -> list[Claim]:
    """Take due instances, then queued ones."""
    keys: list[int] = []
    for workflow, count in wanted.items():
        if count <= 0:  # SQLite takes a negative limit for none at all
            continue
        due = [key for (key,) in db.execute(sql.DUE, (workflow, now, count))]
        keys += due
        if len(due) < count:
            keys += [key for (key,) in db.execute(sql.NEXT_QUEUED, (workflow, count - len(due)))]
    if not keys:
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
        )
        for row in db.execute(sql.CLAIM, {"owner": owner, "now": now, "keys": json.dumps(keys)})
    }
    return [by_key[key] for key in keys]


def append(db: sqlite3.Connection, counters: Counters, batch: Batch) -> list[int]:
    """Insert rows and make changes for claims that live and go on where the journals end; give the others."""
    claims = dict(batch.claims)
    ends = {
        key: seq
        for key, epoch, seq in db.execute(sql.LIVE, (json.dumps(list(claims)),))
        if epoch == claims[key]
    }
    held = ends.keys() - _broken(batch.rows, dict(ends))
    # Whoever sends a batch may be mistaken, or worse: what no claim covers is refused as well.
    touched = claims.keys() | {row[0] for row in batch.rows} | {change.instance for change in batch.changes}
    refused = touched - held
    rows = batch.rows if not refused else [row for row in batch.rows if row[0] in held]
    db.executemany(sql.APPEND, [(n, *row) for n, row in enumerate(rows, counters.position + 1)])
    if batch.received:
        # Those of refused claims stay for the next holder.
        db.execute(sql.RECEIVED, (json.dumps(list(batch.received)), json.dumps(list(held))))
    for change in batch.changes:
        if change.instance in held:
            _change(db, change)
    counters.position += len(rows)
    return sorted(refused)


def release(db: sqlite3.Connection, claims: Sequence[tuple[int, int]], now: int) -> None:
    """End claims; their instances are due at once."""
    db.executemany(sql.RELEASE, [(now, key, epoch) for key, epoch in claims])


def move(db: sqlite3.Connection, counters: Counters, key: int, verb: str, *, now: int) -> Instance:
    """Move an instance and append the Moved that tells of it."""
    before = _state(db, key)[0]
    after = status.after(before, verb)
    if after is None:
        raise InstanceEnded(f"Cannot {verb} instance since its on status {before}")
    ended = after in status.ENDED
    # Nobody holds it any more: unless it is to stay where it is, somebody must claim it and go on.
    wake_at = None if ended or after in (status.QUEUED, status.PAUSED) else now
    change = {"status": after, "now": now, "ended": ended, "wake_at": wake_at, "key": key}
    db.execute(sql.MOVE, change)
    if ended:
        db.execute(sql.FORGET_EVENTS, (key,))
    (seq,) = db.execute(sql.LAST_SEQ, (key,)).fetchone()
    counters.position += 1
    moved = encode(Moved(after, now))
    db.execute(sql.APPEND, (counters.position, key, seq + 1, MOVED, now, moved))
    return instance(db.execute(sql.GET, (key,)).fetchone())


def deliver(db: sqlite3.Connection, key: int, type_: str, payload: bytes, *, now: int) -> Delivery:
    """Keep an event; wake the instance if it rests and awaits it."""
    state, owner, awaits = _state(db, key)
    if state in status.ENDED:
        raise InstanceEnded(f"Cannot send an event to an instance on a finite state ({state})")
    (buffered,) = db.execute(sql.BUFFERED, (key,)).fetchone()
    if buffered >= names.EVENTS_BUFFERED:
        raise TooMany(f"the instance holds {buffered:,} events that nobody has awaited; that is the limit")
    number = db.execute(sql.DELIVER, (key, type_, payload, now)).lastrowid
    assert number is not None
    if awaits is not None and type_ in json.loads(awaits):
        db.execute(sql.WAKE, (now, key))
    return Delivery(Received(number, type_, payload, now, now), claimed=owner is not None)


def delete(db: sqlite3.Connection, counters: Counters, keys: Sequence[int]) -> int:
    """Delete instances, their records and their events; their keys and positions are never used again."""
    _mark(db, counters)
    gone = 0
    for key in keys:
        gone += db.execute(sql.DELETE_INSTANCE, (key,)).rowcount
        db.execute(sql.DELETE_RECORDS, (key,))
        db.execute(sql.FORGET_EVENTS, (key,))
    return gone


def note(db: sqlite3.Connection, counters: Counters, lines: Sequence[tuple[int, int, bytes]]) -> None:
    """Append lines of no instance."""
    for tag, at, body in lines:
        counters.position += 1
        db.execute(sql.APPEND, (counters.position, None, 0, tag, at, body))


def trim(db: sqlite3.Connection, counters: Counters, *, before: int, keep: int, limit: int) -> int:
    """Delete old lines of no instance; their positions are never used again."""
    _mark(db, counters)
    return db.execute(sql.TRIM, {"before": before, "keep": keep, "limit": limit}).rowcount


def write(db: sqlite3.Connection, changes: Sequence[Cell | Absent]) -> None:
    """Write and remove cells."""
    for change in changes:
        if isinstance(change, Cell):
            row = (change.space, change.key, change.value, change.meta, change.expires_at)
            db.execute(sql.WRITE_CELL, row)
        else:
            db.execute(sql.REMOVE_CELL, (change.space, change.key))


def instance(row: tuple[object, ...]) -> Instance:
    """Read a row of the columns that `statements` selects for an instance."""
    return msgspec.convert(dict(zip(Instance.__struct_fields__, row, strict=True)), Instance)


def _mark(db: sqlite3.Connection, counters: Counters) -> None:
    db.executemany(sql.MARK, [("key", counters.key), ("position", counters.position)])


def _broken(rows: Sequence[Row], ends: dict[int, int]) -> set[int]:
    """Name the instances whose rows do not go on, one by one, from the ``ends`` of the journals."""
    broken: set[int] = set()
    for key, seq, *_ in rows:
        if ends.get(key) == seq - 1:
            ends[key] = seq
        else:
            # A journal has no gap: what would come after a lost append is refused with it.
            broken.add(key)
    return broken


def _change(db: sqlite3.Connection, change: Change) -> None:
    key, at = change.instance, change.at
    match change:
        case Rested(wake_at=wake_at, awaits=awaits):
            after = status.after(_state(db, key)[0], "rest")
            listed = json.dumps(awaits) if awaits else None
            if listed and db.execute(sql.AWAITED, (key, listed)).fetchone()[0]:
                wake_at = at
            if after == status.PAUSED:  # neither time nor an event may wake it
                db.execute(sql.REST, (after, None, None, at, key))
            else:
                db.execute(sql.REST, (after, wake_at, listed, at, key))
        case Ended(status=ended, output=output, failure=failure):
            over = {"status": ended, "at": at, "output": output, "failure": _kept(failure), "key": key}
            db.execute(sql.END, over)
            db.execute(sql.FORGET_EVENTS, (key,))
        case Held(failure=failure):
            db.execute(sql.HOLD, (status.PAUSED, at, _kept(failure), key))


def _kept(failure: object) -> bytes | None:
    return None if failure is None else msgspec.msgpack.encode(failure)


def _state(db: sqlite3.Connection, key: int) -> tuple[str, str | None, str | None]:
    row: tuple[str, str | None, str | None] | None = db.execute(sql.STATE, (key,)).fetchone()
    if row is None:
        raise InstanceNotFound(f"instance {key} does not exist")
    return row
