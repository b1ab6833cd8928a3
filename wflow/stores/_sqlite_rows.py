"""The rows of the SQLite store as what the contract speaks of, and the numbers that they get."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from wflow.engine import names
from wflow.engine.facts import MOVED, Received, encode
from wflow.engine.status import QUEUED
from wflow.errors import InstanceNotFound
from wflow.stores import statements as sql
from wflow.stores.store import Instance, Past

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from wflow.engine.changes import Row
    from wflow.engine.facts import Moved


SIZES: Final = (64, 32, 16, 8, 4, 2, 1)
"""How many rows one statement takes; few sizes, so that each is prepared once."""
DIED: Final = 0
"""When an instance is due whose holder has died; nothing else makes one due as early."""


class Hold:
    """What an append needs to know of a claimed instance; ``end`` is its last record's number.

    Without ``has_events`` nothing is in its inbox.
    """

    __slots__ = ("end", "epoch", "has_events", "parent", "status")

    def __init__(self, epoch: int, status: str, parent: int | None, end: int, *, has_events: bool) -> None:
        """Note it down."""
        self.epoch = epoch
        self.status = status
        self.parent = parent
        self.end = end
        self.has_events = has_events


class Counters:
    """What the one writer knows without asking the database: the last key and position, and of claims.

    Keys and positions are never used again, whatever becomes of the transaction. What is known of a claim
    holds for the transaction at hand and is gone with it when that fails (`forget`). `append` keeps it right;
    whoever else is about to change an instance reads its `state` first, which forgets what was known of it.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        """Go on after the last ones in the database, or that were in it before they were deleted."""
        self.holds: dict[int, Hold] = {}
        self._queued: dict[str, tuple[int, int]] = {}
        self._requeued = 0
        marks: dict[str, int] = dict(db.execute(sql.MARKS).fetchall())
        self.key: int = max(db.execute(sql.LAST_KEY).fetchone()[0], marks.get("key", 0))
        self.position: int = max(db.execute(sql.LAST_POSITION).fetchone()[0], marks.get("position", 0))

    def mark(self, db: sqlite3.Connection) -> None:
        """Note them down, before rows with the last ones are deleted."""
        db.executemany(sql.MARK, [("key", self.key), ("position", self.position)])

    def forget(self) -> None:
        """Let go of all that a transaction which failed may have told wrongly."""
        self.holds.clear()
        self._queued.clear()

    def has_room(self, db: sqlite3.Connection, workflow: str, coming: int) -> bool:
        """Tell whether a workflow's queue has room for so many more.

        They are counted only when there may be none: all that was created or queued anew since they were
        counted last may be in this queue.
        """
        given = self.key + self._requeued
        queued, at = self._queued.get(workflow, (0, 0))
        if queued + given - at + coming > names.QUEUED:
            queued, at = queued_in(db, workflow), given
            self._queued[workflow] = (queued, at)
        return queued + given - at + coming <= names.QUEUED

    def queued_anew(self) -> None:
        """Hear that an instance that was not queued is."""
        self._requeued += 1


def queued_in(db: sqlite3.Connection, workflow: str) -> int:
    """Count a workflow's queue."""
    queued: int = db.execute(sql.QUEUED, (workflow,)).fetchone()[0]
    return queued


class State(NamedTuple):
    """What decides what may become of an instance."""

    key: int
    workflow: str
    status: str
    owner: str | None
    awaits: str | None
    parent: int | None


def state(db: sqlite3.Connection, counters: Counters, key: int) -> State:
    """Read the state of an instance that is to be changed; raises InstanceNotFound."""
    found = state_if_any(db, counters, key)
    if found is None:
        raise InstanceNotFound(f"instance {key} does not exist")
    return found


def state_if_any(db: sqlite3.Connection, counters: Counters, key: int) -> State | None:
    """Read the state of an instance that is to be changed, if there is one."""
    counters.holds.pop(key, None)
    row = db.execute(sql.STATE, (key,)).fetchone()
    return None if row is None else State(*row)


def instance(row: tuple[object, ...]) -> Instance:
    """Read a row of the columns that `statements` selects for an instance."""
    told = dict(zip(Instance.__struct_fields__, row, strict=True))
    told["tags"] = json.loads(str(told["tags"]))
    return msgspec.convert(told, Instance)


def get(db: sqlite3.Connection, key: int) -> Instance:
    """Read an instance that exists."""
    return instance(db.execute(sql.GET, (key,)).fetchone())


def past(db: sqlite3.Connection, key: int, after: int) -> Past:
    """Read what an instance is played from, beyond the record ``after``."""
    found = db.execute(sql.BODIES, (key, after, key)).fetchall()
    inbox = db.execute(sql.EVENTS, (key,))
    events = [Received(number, type_, payload, at, at) for number, type_, payload, at in inbox]
    return Past(seq=found[-1][0] if found else after, records=[row[1] for row in found], events=events)


def last_seq(db: sqlite3.Connection, key: int) -> int:
    """Give the number of an instance's last record."""
    seq: int = db.execute(sql.LAST_SEQ, (key,)).fetchone()[0]
    return seq


def write(db: sqlite3.Connection, statement: str, given: Sequence[tuple[object, ...]]) -> None:
    """Run a statement of one row, VALUES (?, ...), for all rows: for many at once, as far as there are many.

    That costs the database less, and each run costs Python its lock.
    """
    for start, size in _portions(len(given)):
        rows = itertools.chain.from_iterable(given[start : start + size])
        db.execute(sql.several(statement, size), tuple(rows))


def append(db: sqlite3.Connection, counters: Counters, new: Sequence[Row]) -> None:
    """Append rows to journals, as `write` does, and count their positions."""
    after = counters.position
    counters.position += len(new)
    for start, size in _portions(len(new)):
        rows = itertools.chain.from_iterable(new[start : start + size])
        db.execute(sql.appending(size), (after + start, *rows))


def _portions(left: int) -> Iterator[tuple[int, int]]:
    """Divide so many rows among statements: where each begins, and how many it takes."""
    start = 0
    for size in SIZES:
        while left >= size:
            yield start, size
            start += size
            left -= size


def record(db: sqlite3.Connection, counters: Counters, key: int, moved: Moved, *, after: int) -> None:
    """Append a record of a move to an instance's journal, beyond the number ``after``."""
    if moved.status == QUEUED:
        counters.queued_anew()
    counters.position += 1
    db.execute(sql.APPEND, (counters.position, key, after + 1, MOVED, moved.at, encode(moved)))
