"""Queues in SQLite: a message is a row, which is leased by moving the instant at which it is due.

A lease that ends with this process moves it to beyond all instants, so that nothing has to be written down
about who holds it, and those are found at once that were held when it died.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from wflow.errors import TooMany
from wflow.stores import _sqlite_rows as rows
from wflow.stores import statements as sql
from wflow.stores.queues import BACKLOG_BYTES, Backlog, Dead, Handled, Leased

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wflow.stores._sqlite_readers import Readers
    from wflow.stores._sqlite_writer import Writer
    from wflow.stores.queues import Message

HELD: Final = 10**14
"""Beyond the year 5000, in six bytes as any other instant is: so a lease changes no row's length."""
GONE: Final = 200
"""Messages that are purged, or that expire, in one transaction."""
ROUNDS: Final = 16
"""How often one lease goes on to further messages where it found none but dead ones."""


class SqliteQueues:
    """See `wflow.stores.queues.Queues` for what each method promises."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        """Read and write by these."""
        self._readers = readers
        self._writer = writer
        self._told: list[Callable[[str], None]] = []

    async def send(self, messages: Sequence[Message]) -> Mapping[str, Backlog]:
        """Keep messages."""
        size = sum(len(one.body) for one in messages)
        sending = self._writer.submit(lambda db: _send(db, messages), rows=len(messages), size=size)
        queues = {one.queue for one in messages}
        sending.add_done_callback(
            lambda sent: None if sent.cancelled() or sent.exception() else self.arrived(queues)
        )
        # Whoever sends may be gone before the answer comes; those who wait for messages must hear of them.
        return await asyncio.shield(sending)

    async def lease(
        self,
        queue: str,
        *,
        limit: int,
        now: int,
        until: int | None,
        attempts: int | None = None,
        dead: Dead | None = None,
    ) -> list[Leased]:
        """Lease messages."""
        due_at = now + HELD if until is None else until

        def lease(db: sqlite3.Connection) -> list[Leased]:
            found = _fit(db, {"queue": queue, "now": now, "limit": limit}, attempts, dead)
            leased = db.execute(sql.LEASE, (due_at, json.dumps(found))).fetchall() if found else []
            by_number = {row[0]: Leased(*row) for row in leased}
            return [by_number[number] for number in found]

        leased = await self._writer.submit(lease, rows=limit)
        if dead is not None and dead.queue is not None:
            self.arrived([dead.queue])
        return leased

    async def settle(self, queue: str, handled: Sequence[Handled]) -> list[bool]:
        """Say what became of messages."""

        def settle(db: sqlite3.Connection) -> list[bool]:
            return [_settle(db, queue, one) for one in handled]

        settled = await self._writer.submit(settle, rows=len(handled))
        self.arrived({where for one in handled if (where := _kept_in(queue, one)) is not None})
        return settled

    async def due(self, queue: str, *, limit: int) -> list[int]:
        """Give the next instants."""
        wanted = (queue, HELD, limit)
        found = await self._readers.read(lambda db: db.execute(sql.MESSAGES_DUE, wanted).fetchall())
        return [row[0] for row in found]

    async def peek(self, queue: str, *, limit: int) -> list[Leased]:
        """Show the next messages."""
        wanted = (queue, HELD, limit)
        found = await self._readers.read(lambda db: db.execute(sql.PEEK, wanted).fetchall())
        return [Leased(*row) for row in found]

    async def backlog(self, queue: str) -> Backlog:
        """Say what is in a queue."""
        return await self._readers.read(lambda db: _backlog(db, queue))

    async def purge(self, queue: str) -> int:
        """Delete what is in a queue now, a piece a transaction."""
        (last,) = await self._readers.read(lambda db: db.execute(sql.LAST_MESSAGE).fetchone())
        gone = 0
        while True:
            took = await self._writer.submit(
                lambda db: db.execute(sql.PURGE, (queue, last, GONE)).rowcount, rows=GONE
            )
            gone += took
            if took < GONE:
                await self._writer.submit(lambda db: db.execute(sql.FORGET_EMPTY_BACKLOGS).rowcount)
                return gone

    async def lapse(self, *, now: int, limit: int) -> int:
        """Delete what has expired, a piece a transaction."""
        gone = 0
        while gone < limit:
            most = min(GONE, limit - gone)
            took = await self._writer.submit(
                lambda db: db.execute(sql.EXPIRE_MESSAGES, (now, most)).rowcount,  # noqa: B023
                rows=most,
            )
            gone += took
            if took < most:
                break
        return gone

    def on_arrival(self, told: Callable[[str], None]) -> None:
        """Tell of what arrives."""
        self._told.append(told)

    def arrived(self, queues: Iterable[str]) -> None:
        """Tell that there are messages for these; to be called on the loop, after the commit."""
        for queue in queues:
            for told in self._told:
                told(queue)


def let_go(db: sqlite3.Connection) -> None:
    """Have all be due at once that a process held which is no more."""
    db.execute(sql.LET_GO, (HELD,))


def insert(db: sqlite3.Connection, messages: Sequence[Message]) -> None:
    """Insert messages, however full their queues are."""
    given = [
        (one.queue, one.due_at, one.at, one.expires_at, one.id, one.content_type, one.body)
        for one in messages
    ]
    rows.write(db, sql.SEND, given)


def _send(db: sqlite3.Connection, messages: Sequence[Message]) -> dict[str, Backlog]:
    coming: dict[str, int] = {}
    for one in messages:
        coming[one.queue] = coming.get(one.queue, 0) + len(one.body)
    for queue, size in coming.items():
        if _backlog(db, queue).bytes + size > BACKLOG_BYTES:
            raise TooMany(f"Storage Limit Exceeded: a queue keeps at most {BACKLOG_BYTES:,} bytes")
    insert(db, messages)
    return {queue: _backlog(db, queue) for queue in coming}


def _backlog(db: sqlite3.Connection, queue: str) -> Backlog:
    row = db.execute(sql.BACKLOG, (queue,)).fetchone()
    return Backlog() if row is None else Backlog(messages=row[0], bytes=row[1], oldest_at=row[2])


def _fit(
    db: sqlite3.Connection, wanted: dict[str, object], attempts: int | None, dead: Dead | None
) -> list[int]:
    """Find messages to lease; those that were tried too often are buried on the way."""
    for _ in range(ROUNDS):
        found = db.execute(sql.NEXT_MESSAGES, wanted).fetchall()
        if attempts is None or dead is None:
            return [number for number, _ in found]
        left = [number for number, tried in found if tried < attempts]
        for number, tried in found:
            if tried >= attempts:
                one = Handled(number=number, attempts=tried, due_at=int(str(wanted["now"])), dead=dead)
                _settle(db, str(wanted["queue"]), one)
        if left or not found:
            return left
    return []


def _kept_in(queue: str, one: Handled) -> str | None:
    """Say where a message is from now on, for others to take."""
    if one.dead is not None:
        return one.dead.queue
    return None if one.due_at is None else queue


def _settle(db: sqlite3.Connection, queue: str, one: Handled) -> bool:
    if one.dead is not None and one.dead.queue is not None:
        given = {
            "dead": one.dead.queue,
            "expires_at": one.dead.expires_at,
            "now": one.due_at or 0,
            "number": one.number,
            "queue": queue,
            "attempts": one.attempts,
        }
        return db.execute(sql.BURY, given).rowcount == 1
    if one.dead is not None:
        return db.execute(sql.DISCARD, (one.number, queue, one.attempts)).rowcount == 1
    if one.due_at is not None:
        again = (one.due_at, one.number, queue, one.attempts)
        return db.execute(sql.DELIVER_AGAIN, again).rowcount == 1
    return db.execute(sql.DELETE_MESSAGE, (one.number, queue)).rowcount == 1
