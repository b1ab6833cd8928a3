"""An instance that begins anew in SQLite: what is gone with its past, and what becomes of its children."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from wflow.engine import facts
from wflow.engine.facts import Moved, Received
from wflow.engine.outcome import Failure
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_rows as rows
from wflow.stores import family, moves, pieces
from wflow.stores import statements as sql
from wflow.stores.store import Moving

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Sequence

    from wflow.engine.facts import Fact
    from wflow.stores._sqlite_rows import Counters, State
    from wflow.stores.store import Delivery

    Cut = Callable[[Sequence[tuple[int, Fact]]], Collection[int]]


def restart(
    db: sqlite3.Connection,
    counters: Counters,
    key: int,
    *,
    version: str,
    seed: bytes,
    now: int,
    cut: Cut | None,
) -> Moving:
    """Queue an instance anew, from its beginning or from where its journal is cut."""
    after = moves.restarted(rows.state(db, counters, key).status)
    # Numbers are never used again: whoever has read the journal up to one reads on from there.
    last = rows.last_seq(db, key)
    detail: dict[str, object] = {"restart": True}
    if cut is None:
        db.execute(sql.DELETE_RECORDS, (key,))
        db.execute(sql.FORGET_EVENTS, (key,))
        db.execute(sql.FORGET_PIECES, (pieces.space(key),))
        deliveries = _part(db, counters, key, (), now=now)
    else:
        gone, deliveries = _shorten(db, counters, key, cut, now=now)
        detail |= {"from": gone[0]} if gone else {}
    change = {"version": version, "seed": seed, "now": now, "anew": cut is None, "key": key}
    db.execute(sql.RESTART, change)
    rows.record(db, counters, key, Moved(after, now, detail=detail), after=last)
    return Moving(rows.get(db, key), deliveries)


def _shorten(
    db: sqlite3.Connection, counters: Counters, key: int, cut: Cut, *, now: int
) -> tuple[list[str], list[Delivery]]:
    """Cut a journal; name the steps of which nothing is left, and what children were asked."""
    bodies: list[tuple[int, bytes]] = db.execute(sql.BODIES, (key, 0, key)).fetchall()
    journal = [(seq, facts.decode(body)) for seq, body in bodies]
    doomed = frozenset(cut(journal))
    gone = moves.gone(journal, doomed)
    db.execute(sql.CUT_RECORDS, (key, json.dumps(sorted(doomed))))
    for step in gone:
        db.execute(sql.FORGET_PIECES_OF, (pieces.space(key), *pieces.span(step)))
    received = [(seq in doomed, fact) for seq, fact in journal if isinstance(fact, Received)]
    types = {type_ for _, type_ in db.execute(sql.CHILDREN, (key,))}
    types |= {type_ for (type_,) in db.execute(sql.TYPES, (key,))} | {fact.type for _, fact in received}
    awaited = family.mentioned(types, (body for seq, body in bodies if seq not in doomed))
    inbox.forget(db, key, but=awaited)
    unheard = awaited - {fact.type for is_lost, fact in received if not is_lost}
    to = rows.state(db, counters, key)
    _tell_again(db, to, unheard, [fact for is_lost, fact in received if is_lost])
    return gone, _part(db, counters, key, awaited, now=now)


def _tell_again(
    db: sqlite3.Connection, to: State, unheard: Collection[str], lost: Sequence[Received]
) -> None:
    """Keep the ends of children for the steps that await them still, though they were told already."""
    for event in lost:
        if event.type in unheard:
            inbox.keep(db, to, event.type, event.payload, now=event.sent_at)
    for child, type_ in db.execute(sql.CHILDREN, (to.key,)).fetchall():
        # It may have ended after its parent, who heard nothing then; but now it goes on.
        one = rows.get(db, child) if type_ in unheard else None
        if one is not None and one.ended_at is not None:
            failure = msgspec.msgpack.decode(one.failure, type=Failure) if one.failure else None
            heard = family.heard(one.status, one.output, failure)
            inbox.keep(db, to, type_, heard, now=one.ended_at)


def _part(
    db: sqlite3.Connection, counters: Counters, key: int, awaited: Collection[str], *, now: int
) -> list[Delivery]:
    """Part an instance from the children whose ends are not ``awaited`` any more; followers cancel.

    Whatever becomes of these, nobody must hear of it.
    """
    children = db.execute(sql.CHILDREN, (key,)).fetchall()
    parted = {child for child, type_ in children if type_ not in awaited}
    followers = db.execute(sql.FOLLOWERS, (json.dumps([key]),)).fetchall() if parted else []
    deliveries = [inbox.cancel(db, counters, child, now=now) for child, _ in followers if child in parted]
    for child in parted:
        counters.holds.pop(child, None)
    db.executemany(sql.ADOPT, [(None, None, False, child) for child in sorted(parted)])
    return deliveries
