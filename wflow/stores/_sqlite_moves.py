"""What is done to an instance from outside, whoever holds it, in SQLite: it is moved, or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.engine import status
from wflow.engine.facts import Moved
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_remove as removing
from wflow.stores import _sqlite_rows as rows
from wflow.stores import family, moves
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
    before = rows.state(db, counters, key)
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
        deliveries = inbox.spread(db, counters, [_over(db, before, now, family.heard(after))])
    return Moving(rows.get(db, key), deliveries)


def delete(db: sqlite3.Connection, counters: Counters, keys: Sequence[int], *, now: int) -> list[Delivery]:
    """Delete instances with all they have; their keys and positions are never used again."""
    found = [one for key in dict.fromkeys(keys) if (one := rows.state_if_any(db, counters, key)) is not None]
    heard = family.deleted()
    over = [_over(db, one, now, heard) for one in found if one.status not in status.ENDED]
    removing.remove(db, counters, keys)
    return inbox.spread(db, counters, over)


def _over(db: sqlite3.Connection, one: State, now: int, heard: bytes) -> inbox.Over:
    if one.parent is None:
        return inbox.Over(one.key, now)
    return inbox.Over(one.key, now, one.parent, inbox.awaited(db, one.key), heard)
