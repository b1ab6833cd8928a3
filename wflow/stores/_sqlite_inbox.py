"""The inboxes of instances in SQLite: what people, parents and children send them, until it is received."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from wflow.engine import names, requests, status, values
from wflow.engine.facts import Received
from wflow.errors import InstanceEnded, TooMany
from wflow.stores import _sqlite_rows as rows
from wflow.stores import statements as sql
from wflow.stores.store import Delivery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from wflow.stores._sqlite_rows import Counters, State


class Over(NamedTuple):
    """An instance that ended, or is gone, and what its parent, if it has one, hears of it."""

    key: int
    at: int
    parent: int | None = None
    awaited: str = ""
    heard: bytes = b""


def deliver(
    db: sqlite3.Connection, counters: Counters, key: int, event: tuple[str, bytes], *, now: int
) -> Delivery:
    """Keep an event of a type, with a payload; wake the instance if it rests and awaits it."""
    type_, payload = event
    to = rows.state(db, counters, key)
    if to.status in status.ENDED:
        raise InstanceEnded(f"Cannot send an event to an instance on a finite state ({to.status})")
    if not _is_ours(type_):
        (buffered,) = db.execute(sql.BUFFERED, (key,)).fetchone()
        if buffered >= names.EVENTS_BUFFERED:
            problem = f"the instance holds {buffered:,} events that nobody has awaited; that is the limit"
            raise TooMany(problem)
    return keep(db, to, type_, payload, now=now)


def keep(db: sqlite3.Connection, to: State, type_: str, payload: bytes, *, now: int) -> Delivery:
    """Keep an event for an instance, whatever its status; wake it if that is what the event does.

    ``to`` is as it was read just now, to be changed.
    """
    known = db.execute(sql.KEPT, (to.key, type_)).fetchone() if _is_ours(type_) else None
    if known is not None:
        number, _, payload, at = known
    else:
        number, at = db.execute(sql.DELIVER, (to.key, type_, payload, now)).lastrowid, now
    if requests.is_request(type_):
        db.execute(sql.ROUSE, {"now": now, "key": to.key})
    elif to.awaits is not None and type_ in json.loads(to.awaits):
        db.execute(sql.WAKE, (now, to.key))
    event = Received(number, type_, payload, at, at)
    return Delivery(event, claimed=to.owner is not None, key=to.key, workflow=to.workflow)


def spread(db: sqlite3.Connection, counters: Counters, over: Sequence[Over]) -> list[Delivery]:
    """Tell the parents of instances that are over, and ask the children that follow these to cancel."""
    if not over:
        return []
    deliveries = []
    for one in over:
        told = one.parent is not None and one.awaited
        to = rows.state_if_any(db, counters, one.parent or 0) if told else None
        if to is not None and to.status not in status.ENDED:
            deliveries.append(keep(db, to, one.awaited, one.heard, now=one.at))
    ends = {one.key: one.at for one in over}
    for child, parent in db.execute(sql.FOLLOWERS, (json.dumps(list(ends)),)).fetchall():
        deliveries.append(cancel(db, counters, child, now=ends[parent]))
    return deliveries


def cancel(db: sqlite3.Connection, counters: Counters, key: int, *, now: int) -> Delivery:
    """Ask an instance that is not over to cancel."""
    return keep(db, rows.state(db, counters, key), requests.CANCEL, values.NONE, now=now)


def awaited(db: sqlite3.Connection, key: int) -> str:
    """Say as what kind of event a child's parent awaits its end."""
    type_: str = db.execute(sql.AWAITED_BY_PARENT, (key,)).fetchone()[0]
    return type_


def forget(db: sqlite3.Connection, key: int, *, but: Collection[str]) -> None:
    """Delete the events that an instance has not received, but those of some types."""
    db.execute(sql.FORGET_EVENTS_BUT, (key, json.dumps(list(but))))


def has_any(db: sqlite3.Connection, key: int, types: Sequence[str]) -> bool:
    """Tell whether an instance has a request, or an event of one of these types, that it has not received."""
    listed = json.dumps([*types, *_REQUESTS]) if types else _REQUESTS_ONLY
    return bool(db.execute(sql.AWAITED, (key, listed)).fetchone()[0])


_REQUESTS = (requests.CANCEL, requests.ROLL_BACK)
_REQUESTS_ONLY = json.dumps(_REQUESTS)


def _is_ours(type_: str) -> bool:
    """Tell requests and the ends of children from what people send."""
    return requests.is_request(type_) or type_.startswith(requests.CHILD)
