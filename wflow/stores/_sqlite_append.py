"""What holders of claims write to SQLite: facts, and what becomes of their instances."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import status
from wflow.engine.changes import Ended, Held, Rested, Rolling, Told
from wflow.engine.facts import Moved
from wflow.stores import _sqlite_effects as effects
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_rows as rows
from wflow.stores import family
from wflow.stores import statements as sql
from wflow.stores._sqlite_rows import Hold
from wflow.stores.store import Appended

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from wflow.engine.outcome import Failure, RolledBack
    from wflow.stores._sqlite_rows import Counters
    from wflow.stores.store import Batch, Delivery


_GOES_ON: Final = (Rolling, Told)
"""Changes after which the claim does."""


def append(db: sqlite3.Connection, counters: Counters, batch: Batch) -> Appended:
    """Insert rows and make changes for claims that live and go on where the journals end; tell the others."""
    held = _held(db, counters, batch)
    refused = _refused(batch, held)
    if refused:
        new = [row for row in batch.rows if row[0] not in refused]
        for key in refused:
            # What was known of the end of its journal is not true of this one any more.
            counters.holds.pop(key, None)
        rows.append(db, counters, new)
    else:
        rows.append(db, counters, batch.rows)
    if batch.received:
        # Those of refused claims stay for the next holder.
        receivers = json.dumps(list(held.keys() - refused))
        db.execute(sql.RECEIVED, (json.dumps(list(batch.received)), receivers))
    if batch.effects:
        effects.keep(db, counters, batch.effects, refused)
    rested, ended, due = [], [], []
    for change in batch.changes:
        if change.instance in refused:
            continue
        hold = held[change.instance]
        match change:
            case Rested():
                row, there = _rest(db, counters, hold, change)
                rested.append(row)
                if there:
                    due.append(change.instance)
            case Ended():
                ended.append(change)
            case Held(key, at, failure):
                db.execute(sql.HOLD, (status.PAUSED, at, _encoded(failure), key))
            case Rolling(key, at, failure):
                hold.status = status.after(hold.status, "rollBack") or hold.status
                db.execute(sql.ROLL, (hold.status, at, _encoded(failure), key))
            case Told():
                _show(db, change)
        if not isinstance(change, _GOES_ON):
            counters.holds.pop(change.instance, None)
    rows.write(db, sql.REST, rested)
    return Appended(sorted(refused), _end(db, counters, held, ended) if ended else [], due)


def _held(db: sqlite3.Connection, counters: Counters, batch: Batch) -> dict[int, Hold]:
    """Give what is known of the instances whose claims live; the database is asked for what is not."""
    claims = dict(batch.claims)
    holds = counters.holds
    if not claims.keys() <= holds.keys():
        unknown = list(claims.keys() - holds.keys())
        for key, epoch, state, parent, end, has_events in db.execute(sql.LIVE, (json.dumps(unknown),)):
            holds[key] = Hold(epoch, state, parent, end, has_events=bool(has_events))
    return {
        key: hold
        for key, epoch in claims.items()
        if (hold := holds.get(key)) is not None and hold.epoch == epoch
    }


def _refused(batch: Batch, held: Mapping[int, Hold]) -> set[int]:
    """Name the instances without a claim that lives, those whose rows do not go on, and odd ends of claims.

    The others' ends are then where the rows will leave their journals. Whoever sends a batch may be mistaken,
    or worse: what no claim covers is refused as well.
    """
    refused = {key for key, _ in batch.claims if key not in held} if len(held) < len(batch.claims) else set()
    for key, seq, _, _, _ in batch.rows:
        hold = held.get(key)
        if hold is not None and hold.end == seq - 1:
            hold.end = seq
        else:
            # A journal has no gap: what would come after a lost append is refused with it.
            refused.add(key)
    refused |= {one.instance for one in batch.effects if one.instance not in held}
    left: set[int] = set()
    for change in batch.changes:
        key = change.instance
        if key not in held:
            refused.add(key)
        if isinstance(change, _GOES_ON):
            continue
        if key in left or (isinstance(change, Ended) and change.status not in status.ENDED):
            refused.add(key)
        left.add(key)
    return refused


def _rest(
    db: sqlite3.Connection, counters: Counters, hold: Hold, change: Rested
) -> tuple[tuple[str | None, int | None, str | None, int, int], bool]:
    """Say how an instance rests, as the statement takes it, and whether something is there that wakes it.

    The record of one that pauses is written.
    """
    key, at = change.instance, change.at
    after = status.after(hold.status, "rest")
    if after == status.PAUSED:
        # Neither time nor an event may wake it, but what it is asked to do.
        there = hold.has_events and inbox.has_any(db, key, ())
        rows.record(db, counters, key, Moved(after, at), after=hold.end)
        return (after, at if there else None, None, at, key), there
    there = hold.has_events and inbox.has_any(db, key, change.awaits)
    wake_at = at if there else max(change.wake_at, rows.DIED + 1)
    return (after, wake_at, json.dumps(change.awaits) if change.awaits else None, at, key), there


def _end(
    db: sqlite3.Connection, counters: Counters, held: Mapping[int, Hold], ended: Sequence[Ended]
) -> list[Delivery]:
    """End instances, and have their families hear of it."""
    rows.write(db, sql.END, [_how(one) for one in ended])
    left = [(one.instance,) for one in ended if held[one.instance].has_events]
    db.executemany(sql.FORGET_EVENTS, left)
    return inbox.spread(db, counters, [_over(db, held[one.instance], one) for one in ended])


def _how(one: Ended) -> tuple[object, ...]:
    told = (one.output, _encoded(one.failure), _encoded(one.rollback))
    return (one.status, one.at, *told, one.instance)


def _over(db: sqlite3.Connection, hold: Hold, change: Ended) -> inbox.Over:
    key, at = change.instance, change.at
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
