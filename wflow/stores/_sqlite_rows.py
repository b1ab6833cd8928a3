"""The rows of the SQLite store as what the contract speaks of, and the numbers that they get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from wflow.engine.facts import MOVED, encode
from wflow.errors import InstanceNotFound
from wflow.stores import statements as sql
from wflow.stores.store import Instance

if TYPE_CHECKING:
    import sqlite3

    from wflow.engine.facts import Moved


DIED: Final = 0
"""When an instance is due whose holder has died; nothing else makes one due as early."""


class Counters:
    """The last key and position. In memory, because there is one writer; never used again."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Go on after the last ones in the database, or that were in it before they were deleted."""
        marks: dict[str, int] = dict(db.execute(sql.MARKS).fetchall())
        self.key: int = max(db.execute(sql.LAST_KEY).fetchone()[0], marks.get("key", 0))
        self.position: int = max(db.execute(sql.LAST_POSITION).fetchone()[0], marks.get("position", 0))

    def mark(self, db: sqlite3.Connection) -> None:
        """Note them down, before rows with the last ones are deleted."""
        db.executemany(sql.MARK, [("key", self.key), ("position", self.position)])


class State(NamedTuple):
    """What decides what may become of an instance."""

    key: int
    workflow: str
    status: str
    owner: str | None
    awaits: str | None
    parent: int | None


def state(db: sqlite3.Connection, key: int) -> State:
    """Read an instance's state; raises InstanceNotFound."""
    found = state_if_any(db, key)
    if found is None:
        raise InstanceNotFound(f"instance {key} does not exist")
    return found


def state_if_any(db: sqlite3.Connection, key: int) -> State | None:
    """Read an instance's state."""
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


def last_seq(db: sqlite3.Connection, key: int) -> int:
    """Give the number of an instance's last record."""
    seq: int = db.execute(sql.LAST_SEQ, (key,)).fetchone()[0]
    return seq


def record(db: sqlite3.Connection, counters: Counters, key: int, moved: Moved, *, after: int) -> None:
    """Append a record of a move to an instance's journal, beyond the number ``after``."""
    counters.position += 1
    db.execute(sql.APPEND, (counters.position, key, after + 1, MOVED, moved.at, encode(moved)))
