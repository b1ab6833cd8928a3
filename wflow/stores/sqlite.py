"""SQLite, the default store: one data folder, one process, one writer thread, every commit fsynced."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from wflow.engine import status as statuses
from wflow.engine.facts import Received
from wflow.errors import StoreBusy, StoreError
from wflow.stores import _sqlite_append as appending
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_migrate as migrating
from wflow.stores import _sqlite_moves as moves
from wflow.stores import _sqlite_operations as operations
from wflow.stores import _sqlite_restart as restarting
from wflow.stores import statements as sql
from wflow.stores._sqlite_rows import DIED, Counters, instance
from wflow.stores._sqlite_writer import Writer, told
from wflow.stores.store import Cell, Past, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import TextIO

    from wflow.engine.facts import Fact
    from wflow.stores.store import Absent, Appended, Batch, Claim, Delivery, Instance, Moving, New

T = TypeVar("T")

READERS: Final = 2
OLDEST_SQLITE: Final = (3, 35, 0)
"""RETURNING came with it."""


async def connect(folder: str) -> SqliteStore:
    """Open the store in ``folder``, which is made if need be, and take it for this process alone."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; wflow needs 3.35 or newer")
    path = Path(folder)
    try:
        lock = _lock(path / "lock")
    except OSError as broken:
        raise StoreError(f"cannot use the data folder {folder}: {broken}") from broken
    try:
        return SqliteStore(path / "wflow.sqlite", lock)
    except BaseException as broken:
        lock.close()
        if isinstance(broken, sqlite3.Error):
            raise StoreError(f"cannot read {path / 'wflow.sqlite'}: {broken}") from broken
        raise


class SqliteStore:
    """See `wflow.stores.store.Store` for what each method promises."""

    def __init__(self, path: Path, lock: TextIO) -> None:
        """Open the database at ``path`` under a ``lock`` that is held already."""
        self._path = path
        self._lock = lock
        self._db = _open(path)
        try:
            _migrate(self._db)
            # Nobody else can hold a claim: whatever is claimed belongs to a process that died.
            self._db.execute(sql.RELEASE_ALL)
            self._counters = Counters(self._db)
        except BaseException:
            self._db.close()
            raise
        self._told: list[Callable[[int], None]] = []
        self._last_told = self._counters.position
        self._closed = False
        self._writer = Writer(self._db, position=lambda: self._counters.position, after_commit=self._tell)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="wflow-read")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    async def create(self, new: Sequence[New]) -> list[int | None]:
        """Create instances."""
        return await self._writer.submit(lambda db: operations.create(db, self._counters, new))

    async def claim(self, wanted: Mapping[str, int], *, owner: str, now: int) -> list[Claim]:
        """Claim instances that are ready."""
        return await self._writer.submit(lambda db: operations.claim(db, wanted, owner, now))

    async def load(self, after: Mapping[int, int]) -> dict[int, Past]:
        """Read what instances are played from."""
        return await self._read(lambda db: {key: _past(db, key, seq) for key, seq in after.items()})

    async def append(self, batch: Batch) -> Appended:
        """Append facts under claims."""
        return await self._writer.submit(lambda db: appending.append(db, self._counters, batch))

    async def release(self, claims: Sequence[tuple[int, int]], *, now: int, died: bool = False) -> None:
        """Give claims back."""
        wake_at = DIED if died else now
        await self._writer.submit(lambda db: operations.release(db, claims, wake_at))

    async def move(
        self, key: int, verb: str, *, now: int, accepted: Mapping[str, int] | None = None
    ) -> Moving:
        """Move an instance by a verb."""
        return await self._writer.submit(
            lambda db: moves.move(db, self._counters, key, verb, now=now, accepted=accepted)
        )

    async def restart(
        self,
        key: int,
        *,
        version: str,
        seed: bytes,
        now: int,
        cut: Callable[[Sequence[tuple[int, Fact]]], Collection[int]] | None = None,
    ) -> Moving:
        """Queue an instance anew."""
        return await self._writer.submit(
            lambda db: restarting.restart(
                db, self._counters, key, version=version, seed=seed, now=now, cut=cut
            )
        )

    async def migrate(self, key: int, *, version: str, seq: int, now: int) -> Moving | None:
        """Put an instance on another version."""
        return await self._writer.submit(
            lambda db: migrating.migrate(db, self._counters, key, version=version, seq=seq, now=now)
        )

    async def deliver(self, key: int, type_: str, payload: bytes, *, now: int) -> Delivery:
        """Keep an event."""
        return await self._writer.submit(lambda db: inbox.deliver(db, key, type_, payload, now=now))

    async def find_one(self, workflow: str, id_: str) -> Instance | None:
        """Find an instance by its name."""
        row = await self._read(lambda db: db.execute(sql.FIND_ONE, (workflow, id_)).fetchone())
        return None if row is None else instance(row)

    async def find(
        self,
        workflow: str,
        *,
        status: str | None = None,
        tag: str | None = None,
        after: int | None = None,
        newest_first: bool = True,
        limit: int = 100,
    ) -> list[Instance]:
        """List instances by key."""
        start = after if after is not None else (2**62 if newest_first else 0)
        wanted = [status] if status is not None else statuses.ALL

        def read(db: sqlite3.Connection) -> list[Instance]:
            if tag is not None:
                statement = sql.FIND_TAGGED_NEWEST if newest_first else sql.FIND_TAGGED_OLDEST
                listed = json.dumps(wanted)
                found = db.execute(statement, (workflow, tag, start, listed, limit)).fetchall()
            else:
                # The pages of each status, merged, so that one index serves every list.
                statement = sql.FIND_NEWEST if newest_first else sql.FIND_OLDEST
                found = [
                    row for each in wanted for row in db.execute(statement, (workflow, each, start, limit))
                ]
                found.sort(key=lambda row: row[0], reverse=newest_first)
            return [instance(row) for row in found[:limit]]

        return await self._read(read)

    async def counts(self, workflow: str) -> dict[str, int]:
        """Count instances by status."""
        return dict(await self._read(lambda db: db.execute(sql.COUNTS, (workflow,)).fetchall()))

    async def versions(self, workflows: Sequence[str]) -> set[str]:
        """Name the versions that are needed."""

        def read(db: sqlite3.Connection) -> set[str]:
            going_on = json.dumps(sorted(set(statuses.ALL) - statuses.ENDED))
            found = (db.execute(sql.VERSIONS, (workflow, going_on)) for workflow in workflows)
            return {row[0] for rows in found for row in rows}

        return await self._read(read)

    async def due_at(self, workflows: Sequence[str]) -> int | None:
        """Say when the next instance is due."""

        def read(db: sqlite3.Connection) -> list[int]:
            found = (db.execute(sql.DUE_AT, (workflow,)).fetchone()[0] for workflow in workflows)
            return [at for at in found if at is not None]

        return min(await self._read(read), default=None)

    async def delete(self, keys: Sequence[int], *, now: int) -> list[Delivery]:
        """Delete instances with all they have."""
        return await self._writer.submit(lambda db: moves.delete(db, self._counters, keys, now=now))

    async def retire(self, *, now: int, limit: int) -> int:
        """Delete instances whose retention is over."""
        return await self._writer.submit(lambda db: moves.retire(db, self._counters, now=now, limit=limit))

    async def journal(self, key: int, *, after: int = 0, limit: int = 1_000) -> list[Record]:
        """Read an instance's facts."""
        rows = await self._read(lambda db: db.execute(sql.JOURNAL, (key, after, limit)).fetchall())
        return [Record(*row) for row in rows]

    async def note(self, lines: Sequence[tuple[int, int, bytes]]) -> None:
        """Keep lines of no instance."""
        await self._writer.submit(lambda db: operations.note(db, self._counters, lines))

    async def trim(self, *, before: int, keep: int, limit: int) -> int:
        """Delete the oldest lines of no instance."""
        return await self._writer.submit(
            lambda db: operations.trim(db, self._counters, before=before, keep=keep, limit=limit)
        )

    async def tail(
        self,
        after: int,
        *,
        tags: Sequence[int] = (),
        workflow: str | None = None,
        instance: str | None = None,
        limit: int = 1_000,
    ) -> list[Record]:
        """Read facts in commit order."""
        listed = json.dumps(list(tags)) if tags else None
        wanted = {"after": after, "tags": listed, "workflow": workflow, "id": instance, "limit": limit}
        rows = await self._read(lambda db: db.execute(sql.TAIL, wanted).fetchall())
        return [Record(*row) for row in rows]

    async def position(self, *, at: int | None = None) -> int:
        """Give the last position, now or before an instant."""
        if at is None:
            return await self._read(lambda db: int(db.execute(sql.LAST_POSITION).fetchone()[0]))
        return await self._read(lambda db: _position_before(db, at))

    async def read(self, space: str, keys: Sequence[str], *, now: int) -> dict[str, Cell]:
        """Read cells."""

        def read(db: sqlite3.Connection) -> dict[str, Cell]:
            rows = (db.execute(sql.READ_CELL, (space, key, now)).fetchone() for key in keys)
            return {
                row[0]: Cell(space=space, key=row[0], value=row[1], meta=row[2], expires_at=row[3])
                for row in rows
                if row is not None
            }

        return await self._read(read)

    async def scan(
        self, space: str, *, now: int, prefix: str = "", after: str = "", limit: int = 1_000
    ) -> list[Cell]:
        """List cells by key."""
        # The least key beyond `after` is one NUL longer.
        wanted = (space, max(prefix, f"{after}\0"), _beyond(prefix), now, limit)
        rows = await self._read(lambda db: db.execute(sql.SCAN_CELLS, wanted).fetchall())
        return [Cell(space=space, key=row[0], value=b"", meta=row[1], expires_at=row[2]) for row in rows]

    async def expire(self, *, now: int, limit: int) -> int:
        """Delete cells that have expired."""
        return await self._writer.submit(lambda db: db.execute(sql.EXPIRE_CELLS, (now, limit)).rowcount)

    async def write(self, changes: Sequence[Cell | Absent]) -> None:
        """Write and remove cells."""
        await self._writer.submit(lambda db: operations.write(db, changes))

    def on_commit(self, told: Callable[[int], None]) -> None:
        """Call ``told`` after each commit that added records."""
        self._told.append(told)

    async def close(self) -> None:
        """Finish what was accepted, and let go."""
        self._closed = True
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in (*self._opened, self._db):
            connection.close()
        self._lock.close()

    def _tell(self, position: int) -> None:
        if position != self._last_told:
            self._last_told = position
            for told in self._told:
                told(position)

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            db: sqlite3.Connection | None = getattr(self._local, "db", None)
            if db is None:
                db = self._local.db = _open(self._path, read_only=True)
                self._opened.append(db)
            # One snapshot for all that is read: an instance that moves meanwhile is in one list, once.
            db.execute("BEGIN")
            try:
                return read(db)
            except (sqlite3.Error, OverflowError, UnicodeEncodeError) as broken:
                raise told(broken) from broken
            finally:
                if db.in_transaction:
                    db.execute("COMMIT")

        if self._closed:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, run)


def _lock(path: Path) -> TextIO:
    """Hold the data folder until the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreBusy(
            f"another process uses the data folder {path.parent}",
            hint="stop the other `wflow dev` or `wflow runner start`, or choose another folder",
        ) from None
    return file


def _open(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=60,
    )
    try:
        if not read_only:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_autocheckpoint = 4000")
            # Some systems' SQLite overwrites all that is deleted with zeros, which takes ten times as long.
            db.execute("PRAGMA secure_delete = FAST")
        db.execute("PRAGMA cache_size = -65536")
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(sql.MIGRATIONS):
        raise StoreError(
            f"the data folder was written by a newer wflow: its schema is {version}, "
            f"this one knows {len(sql.MIGRATIONS)}",
            hint="update wflow",
        )
    if version == len(sql.MIGRATIONS):
        return
    script = "".join(sql.MIGRATIONS[version:])
    db.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {len(sql.MIGRATIONS)}; COMMIT;")


def _past(db: sqlite3.Connection, key: int, after: int) -> Past:
    rows = db.execute(sql.BODIES, (key, after)).fetchall()
    inbox = db.execute(sql.EVENTS, (key,))
    events = [Received(number, type_, payload, at, at) for number, type_, payload, at in inbox]
    return Past(seq=rows[-1][0] if rows else after, records=[row[1] for row in rows], events=events)


def _position_before(db: sqlite3.Connection, at: int) -> int:
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


def _beyond(prefix: str) -> str | bytes:
    """Give what is greater than every text that begins with ``prefix``, and than no other text."""
    bare = prefix.rstrip("\U0010ffff")
    if not bare:
        return b""  # to SQLite any text is less than any blob
    last = ord(bare[-1]) + 1
    return bare[:-1] + chr(0xE000 if last == 0xD800 else last)  # surrogates are no characters
