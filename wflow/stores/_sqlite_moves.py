"""What is done to an instance from outside, whoever holds it, in SQLite: it is moved, or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.engine import status
from wflow.engine.facts import Moved
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_rows as rows
from wflow.stores import family, moves, pieces
from wflow.stores import statements as sql
from wflow.stores.store import Delivery, Moving

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from wflow.stores._sqlite_rows import Counters, State


def move(
    db: sqlite3.Connection,
    counters: Counters,
    key: int,
    verb: str,
    *,
    now: int,
    accepted: Mapping[str, int] | None = None,
) -> Moving:
    """Move an instance by a verb, as the table says."""
    before = rows.state(db, key)
    after = moves.to(before.status, verb)
    detail = moves.accepting(before.status, verb, accepted)
    if (before.status, verb) in moves.UNDER_A_CLAIM:
        db.execute(sql.STEER, (after, now, key))
        if before.owner is None:
            # It is between two holders: nobody else would write of it.
            rows.record(db, counters, key, Moved(after, now), after=rows.last_seq(db, key))
        return Moving(rows.get(db, key), [], held=before.owner is not None)
    ended = after in status.ENDED
    # What it is asked to do wakes it even when it is paused, whichever came first.
    asked = after == status.PAUSED and inbox.has_any(db, key, ())
    change = {"status": after, "now": now, "ended": ended, "wake_at": now if asked else None, "key": key}
    db.execute(sql.MOVE, change)
    rows.record(db, counters, key, Moved(after, now, detail=detail), after=rows.last_seq(db, key))
    deliveries: list[Delivery] = []
    if ended:
        db.execute(sql.FORGET_EVENTS, (key,))
        deliveries = inbox.spread(db, [_over(db, before, now, family.heard(after))])
    return Moving(rows.get(db, key), deliveries)


def delete(db: sqlite3.Connection, counters: Counters, keys: Sequence[int], *, now: int) -> list[Delivery]:
    """Delete instances with all they have; their keys and positions are never used again."""
    found = [one for key in dict.fromkeys(keys) if (one := rows.state_if_any(db, key)) is not None]
    heard = family.deleted()
    over = [_over(db, one, now, heard) for one in found if one.status not in status.ENDED]
    _remove(db, counters, keys)
    return inbox.spread(db, over)


def retire(db: sqlite3.Connection, counters: Counters, *, now: int, limit: int) -> int:
    """Delete instances that are over for longer than they are to be kept."""
    keys = [key for (key,) in db.execute(sql.EXPIRED, (now, limit))]
    _remove(db, counters, keys)
    return len(keys)


def _over(db: sqlite3.Connection, one: State, now: int, heard: bytes) -> inbox.Over:
    if one.parent is None:
        return inbox.Over(one.key, now)
    return inbox.Over(one.key, now, one.parent, inbox.awaited(db, one.key), heard)


def _remove(db: sqlite3.Connection, counters: Counters, keys: Sequence[int]) -> None:
    counters.mark(db)
    for key in keys:
        db.execute(sql.FORGET_PIECES, (pieces.space(key),))
        db.execute(sql.DELETE_INSTANCE, (key,))
        db.execute(sql.DELETE_RECORDS, (key,))
        db.execute(sql.FORGET_EVENTS, (key,))
        db.execute(sql.FORGET_TAGS, (key,))
