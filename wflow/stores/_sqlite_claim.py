"""Who may run next in SQLite: due instances, then queued ones, as far as there is room under their keys.

Of those with one concurrency key, most are *aside*: out of the indexes that claims read, in a line of their
own. What is created behind another of its key is aside from the start; what finds its key full is set aside.
Whenever one of a key gives its place back, or leaves before it got one, a trigger makes the first of the line
ready. So at any time a key some of which are aside is full, or one of it is ready. A claim that takes one of
a key goes on with the key's line: the order is that in which all would go if none were aside.
"""

from __future__ import annotations

import heapq
import json
from typing import TYPE_CHECKING, Final, NamedTuple

from wflow.stores import _sqlite_rows as rows
from wflow.stores import statements as sql
from wflow.stores.store import Claim

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

    Run = Callable[[sqlite3.Connection], "list[Claim] | None"]

ASIDE: Final = 1_000
"""Instances that are set aside in one transaction, so that nobody waits for all whose key is full."""
PAGE: Final = 512
"""Instances that are looked at together, when more are than were asked for."""

_UNBOUNDED: Final = 2**62


class Bounds(NamedTuple):
    """How many of a workflow may be claimed: of all, of those from the queue, and at once under one key."""

    all: int
    new: int = _UNBOUNDED
    per_key: int = _UNBOUNDED


class Claims:
    """Claims in one transaction, before which others may set aside whose keys are full.

    Knows by which bounds instances were set aside.
    """

    def __init__(
        self, submit: Callable[[Run], Awaitable[list[Claim] | None]], counters: rows.Counters
    ) -> None:
        """Have ``submit`` run a function in a transaction."""
        self._submit = submit
        self._counters = counters
        self._per_key: dict[str, int] = {}

    async def take(self, wanted: Mapping[str, Bounds], *, owner: str, now: int) -> list[Claim]:
        """Claim what may run.

        All in the last transaction: whoever ends one of these claims hears of that after we have it.
        """
        while True:
            # What was full by the bound before may not be full by this one.
            before = self._per_key
            moved = [name for name, one in wanted.items() if before.get(name, one.per_key) != one.per_key]
            claims = await self._submit(
                lambda db: claim(db, self._counters, wanted, owner=owner, now=now, moved=moved)  # noqa: B023
            )
            self._per_key |= {name: one.per_key for name, one in wanted.items()}
            if claims is not None:
                return claims


def claim(
    db: sqlite3.Connection,
    counters: rows.Counters,
    wanted: Mapping[str, Bounds],
    *,
    owner: str,
    now: int,
    moved: Collection[str] = (),
) -> list[Claim] | None:
    """Take due instances, then queued ones; ``moved`` are workflows whose bound for a key is another now.

    None when there were ASIDE whose keys are full: these are aside now, and the rest is for the next call.
    """
    choices = [_Choice(db, workflow, now, bounds) for workflow, bounds in wanted.items()]
    for choice in choices:
        if choice.workflow in moved:
            for (under,) in db.execute(sql.HELD_KEYS, (choice.workflow,)).fetchall():
                db.execute(sql.NEXT_IN_LINE, {"workflow": choice.workflow, "under": under})
        choice.make()
    keys = [key for choice in choices for key in (*choice.due, *choice.queued)]
    if any(choice.unfinished for choice in choices):
        # Those that were chosen out of their lines stand before all that was set aside for them.
        db.execute(sql.SET_READY, (json.dumps(keys),))
        return None
    if not keys:
        return []
    died = {key for choice in choices for key, wake_at in choice.due.items() if wake_at == rows.DIED}
    queued = {key for choice in choices for key in choice.queued}
    given = {"owner": owner, "now": now, "keys": json.dumps(keys)}
    found = db.execute(sql.CLAIM, given).fetchall()
    for row in found:
        counters.holds[row[0]] = rows.Hold(row[1], row[13], row[14], row[7], has_events=bool(row[8]))
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
            started_at=row[9],
            seed=row[10],
            pausing=bool(row[11]),
            shown=row[12],
            died=row[0] in died,
            queued=row[0] in queued,
        )
        for row in found
    }
    for choice in choices:
        choice.go_on()
    return [by_key[key] for key in keys]


def release(
    db: sqlite3.Connection, counters: rows.Counters, claims: Sequence[tuple[int, int]], wake_at: int
) -> None:
    """End claims; their instances are due at ``wake_at``, which is DIED when their holders have."""
    for key, _ in claims:
        counters.holds.pop(key, None)
    db.executemany(sql.RELEASE, [(wake_at, key, epoch) for key, epoch in claims])


def bounds(
    wanted: Mapping[str, int], new: Mapping[str, int] | None, per_key: Mapping[str, int] | None
) -> dict[str, Bounds]:
    """Put together what is wanted of each workflow."""
    return {
        name: Bounds(count, (new or {}).get(name, _UNBOUNDED), (per_key or {}).get(name, _UNBOUNDED))
        for name, count in wanted.items()
    }


class _Row(NamedTuple):
    """An instance where it stands: by rank, that is instant or priority, then by key."""

    rank: int
    key: int
    under: str | None


class _Choice:
    """Whom of one workflow to claim: ``due``, each with its instant, and ``queued``, in order."""

    def __init__(self, db: sqlite3.Connection, workflow: str, now: int, bounds: Bounds) -> None:
        self.workflow = workflow
        self.due: dict[int, int] = {}
        self.queued: list[int] = []
        self.unfinished = False
        self._db = db
        self._now = now
        self._bounds = bounds
        self._room: dict[str, int] = {}
        self._full: list[int] = []

    def make(self) -> None:
        """Choose, and set aside who finds its key full."""
        count, new, _ = self._bounds
        if count > 0:
            self.due = {row.key: row.rank for row in self._walk(count, sql.DUE, sql.DUE_IN_LINE)}
        most = min(count - len(self.due), new)
        if most > 0 and not self.unfinished:
            self.queued = [row.key for row in self._walk(most, sql.NEXT_QUEUED, sql.QUEUED_IN_LINE)]
        if self._full:
            self._db.execute(sql.SET_ASIDE, (json.dumps(self._full),))

    def go_on(self) -> None:
        """Have somebody ready of every key that has room left; call it when the chosen ones are claimed."""
        for under, room in self._room.items():
            if room > 0:
                self._db.execute(sql.NEXT_IN_LINE, {"workflow": self.workflow, "under": under})

    def _walk(self, count: int, ready: str, in_line: str) -> list[_Row]:
        """Choose among those that are ready and the lines of keys that have room, in their one order."""
        chosen: list[_Row] = []
        lines = {under: self._rows(in_line, 1, under) for under, room in self._room.items() if room > 0}
        heads = [head for line in lines.values() if (head := next(line, None)) is not None]
        heapq.heapify(heads)
        rest = self._rows(ready, min(count, PAGE))
        first: _Row | None = None
        while len(chosen) < count and not self.unfinished:
            first = first or next(rest, None)
            is_ready = first is not None and not (heads and heads[0] < first)
            if is_ready:
                one, first = first, None
            elif heads:
                one = heapq.heappop(heads)
            else:
                break
            assert one is not None
            if one.under is not None:
                if not self._has_room(one.under):
                    if is_ready:
                        self._full.append(one.key)
                        self.unfinished = len(self._full) >= ASIDE
                    continue
                self._room[one.under] -= 1
                line = lines.setdefault(one.under, self._rows(in_line, 1, one.under))
                if (head := next(line, None)) is not None:
                    heapq.heappush(heads, head)
            chosen.append(one)
        return chosen

    def _has_room(self, under: str) -> bool:
        if under not in self._room:
            per_key = self._bounds.per_key
            given = {"workflow": self.workflow, "under": under, "most": per_key}
            (held,) = (0,) if per_key == _UNBOUNDED else self._db.execute(sql.HELD, given).fetchone()
            self._room[under] = per_key - held
        return self._room[under] > 0

    def _rows(self, statement: str, size: int, under: str | None = None) -> Iterator[_Row]:
        """Read where instances stand, a page at a time, the pages growing."""
        given = {"workflow": self.workflow, "now": self._now, "under": under, "rank": -1, "key": -1}
        while True:
            found = self._db.execute(statement, {**given, "size": size}).fetchall()
            yield from map(_Row._make, found)
            if len(found) < size:
                return
            given["rank"], given["key"], _ = found[-1]
            size = min(2 * size, PAGE)
