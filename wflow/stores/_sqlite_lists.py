"""Lists of instances in SQLite, and how many there are: read from indexes and tallies, however many queue.

The table `tallies` counts instances by status, version and block: a block is BLOCK keys in a row. So the way
to a page far down a list leads over the blocks before it, and then by halves through one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.engine import status as statuses
from wflow.stores import statements as sql
from wflow.stores._sqlite_rows import instance

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from wflow.stores.store import Instance

BLOCK: Final = 8_192
"""Keys of one block, as the schema has them."""
_BEYOND: Final = 2**62
"""Greater than every key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which instances: from beyond the key ``after``, without the first ``skip``, at most ``limit``."""

    workflow: str
    status: str | None
    tag: str | None
    after: int | None
    newest_first: bool
    skip: int
    limit: int

    @property
    def statuses(self) -> Sequence[str]:
        """All that an instance may be on."""
        return statuses.ALL if self.status is None else (self.status,)

    @property
    def start(self) -> int:
        """The key beyond which to begin."""
        if self.after is not None:
            return self.after
        return _BEYOND if self.newest_first else -1


def find(db: sqlite3.Connection, wanted: Wanted) -> list[Instance]:
    """Read a page."""
    if wanted.tag is not None:
        statement = sql.FIND_TAGGED_NEWEST if wanted.newest_first else sql.FIND_TAGGED_OLDEST
        listed = json.dumps(wanted.statuses)
        given = (wanted.workflow, wanted.tag, wanted.start, listed, wanted.limit, wanted.skip)
        return [instance(row) for row in db.execute(statement, given)]
    keys = _keys(db, wanted, _passed(db, wanted) if wanted.skip else wanted.start)
    found = [instance(row) for row in db.execute(sql.SHOWN, (json.dumps(keys),))] if keys else []
    return sorted(found, key=lambda one: one.key, reverse=wanted.newest_first)


def counts(db: sqlite3.Connection, workflow: str) -> dict[str, int]:
    """Count instances by status."""
    return {status: count for status, count in db.execute(sql.COUNTS, (workflow,)) if count}


def versions(db: sqlite3.Connection, workflows: Sequence[str]) -> set[str]:
    """Name the versions on which there are instances that are not over."""
    going_on = json.dumps(sorted(set(statuses.ALL) - statuses.ENDED))
    found = (db.execute(sql.VERSIONS, (workflow, going_on)) for workflow in workflows)
    return {row[0] for rows in found for row in rows}


def _keys(db: sqlite3.Connection, wanted: Wanted, start: int) -> list[int]:
    """Read the keys of a page: those of each status, merged, so that one index serves every list."""
    statement = sql.KEYS_NEWEST if wanted.newest_first else sql.KEYS_OLDEST
    found = [
        key
        for each in wanted.statuses
        for (key,) in db.execute(statement, (wanted.workflow, each, start, wanted.limit))
    ]
    found.sort(reverse=wanted.newest_first)
    return found[: wanted.limit]


def _passed(db: sqlite3.Connection, wanted: Wanted) -> int:
    """Go past those that are to be skipped; give the key beyond which the others are."""
    skip = wanted.skip
    first = wanted.start // BLOCK
    for low, high, count in _stretches(db, wanted, first):
        if count > skip:
            return _within(db, wanted, (low, high), skip)
        skip -= count
    return 0 if wanted.newest_first else _BEYOND


def _stretches(db: sqlite3.Connection, wanted: Wanted, first: int) -> Iterator[tuple[int, int, int]]:
    """Give stretches of keys, from the one to before the other, and how many of them are wanted: blocks.

    Of the ``first`` block only what lies beyond the start.
    """
    low, high = (
        (first * BLOCK, wanted.start) if wanted.newest_first else (wanted.start + 1, (first + 1) * BLOCK)
    )
    if low < high and high - low <= BLOCK:
        yield low, high, _count(db, wanted, low, high)
    statement = sql.BLOCKS_NEWEST if wanted.newest_first else sql.BLOCKS_OLDEST
    given = (wanted.workflow, json.dumps(wanted.statuses), first)
    for block, count in db.execute(statement, given):
        yield block * BLOCK, (block + 1) * BLOCK, count


def _within(db: sqlite3.Connection, wanted: Wanted, stretch: tuple[int, int], skip: int) -> int:
    """Find by halves the key in a stretch beyond which all but ``skip`` of those in it lie."""
    low, high = stretch
    while high - low > 1:
        middle = (low + high) // 2
        if wanted.newest_first:
            count = _count(db, wanted, middle, high)
            if count > skip:
                low = middle
            else:
                high, skip = middle, skip - count
        else:
            count = _count(db, wanted, low, middle)
            if count > skip:
                high = middle
            else:
                low, skip = middle, skip - count
    return high if wanted.newest_first else low - 1


def _count(db: sqlite3.Connection, wanted: Wanted, low: int, high: int) -> int:
    given = (wanted.workflow, json.dumps(wanted.statuses), low, high)
    count: int = db.execute(sql.COUNT_BETWEEN, given).fetchone()[0]
    return count


def position_before(db: sqlite3.Connection, at: int) -> int:
    """Search by halves for the last position whose fact is older; facts are in order of time, near enough."""
    low: int = db.execute(sql.FIRST_POSITION).fetchone()[0]
    high: int = db.execute(sql.LAST_POSITION).fetchone()[0] + 1
    while low < high:
        middle = (low + high) // 2
        row = db.execute(sql.AT_OR_AFTER, (middle,)).fetchone()
        if row is None or row[1] >= at:
            high = middle
        else:
            low = row[0] + 1
    return max(low - 1, 0)
