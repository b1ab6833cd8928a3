"""SQLite, the default store: one data folder, one process, one writer thread, every commit fsynced."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.errors import StoreBusy, StoreError, TooMany
from wflow.stores import _sqlite_append as appending
from wflow.stores import _sqlite_claim as claiming
from wflow.stores import _sqlite_effects as effects
from wflow.stores import _sqlite_inbox as inbox
from wflow.stores import _sqlite_lists as lists
from wflow.stores import _sqlite_migrate as migrating
from wflow.stores import _sqlite_moves as moves
from wflow.stores import _sqlite_operations as operations
from wflow.stores import _sqlite_remove as removing
from wflow.stores import _sqlite_restart as restarting
from wflow.stores import statements as sql
from wflow.stores._sqlite_cells import Cells
from wflow.stores._sqlite_queues import SqliteQueues, let_go
from wflow.stores._sqlite_readers import Readers
from wflow.stores._sqlite_rows import DIED, Counters, instance, past
from wflow.stores._sqlite_wal import PAGES, Runway
from wflow.stores._sqlite_writer import Writer
from wflow.stores.store import Cell, Past, Pressure, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import TextIO

    from wflow.engine.facts import Fact
    from wflow.stores.store import Absent, Appended, Batch, Claim, Delivery, Instance, Moving, New

OLDEST_SQLITE: Final = (3, 35, 0)
"""RETURNING came with it."""
CACHE_KIB: Final = 16 * 1_024
"""Pages of the database that the one that writes keeps in memory; the system keeps the others."""
READ_CACHE_KIB: Final = 4 * 1_024
"""Those that each reader keeps."""


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
        self._lock = lock
        self._db = _open(path)
        try:
            _migrate(self._db)
            # Nobody else can hold a claim: whatever is claimed belongs to a process that died.
            self._db.execute(sql.RELEASE_ALL)
            let_go(self._db)
            self._counters = Counters(self._db)
            self._runway = Runway(path)
        except BaseException:
            self._db.close()
            raise
        self._told: list[Callable[[int], None]] = []
        self._last_told = self._counters.position
        self._surplus: tuple[int, int] | None = None
        self._writer = Writer(
            self._db,
            position=lambda: self._counters.position,
            after_commit=self._tell,
            after_rollback=self._counters.forget,
            afterwards=self._runway.look,
        )
        self._claims = claiming.Claims(self._writer.submit, self._counters)
        self._readers = Readers(lambda: _open(path, read_only=True))
        self._cells = Cells(self._readers, self._writer)
        self.queues = SqliteQueues(self._readers, self._writer)

    @property
    def pressure(self) -> Pressure:
        """What waits to be written."""
        return self._writer.pressure

    async def create(self, new: Sequence[New]) -> list[int | None]:
        """Create instances."""
        pressure = self._writer.pressure
        if pressure.share >= 1:
            raise TooMany(
                f"the store is behind: {pressure.jobs:,} writes, {pressure.bytes:,} bytes, wait for the disk"
            )
        size = sum(len(one.params) for one in new)
        return await self._writer.submit(
            lambda db: operations.create(db, self._counters, new), rows=len(new), size=size
        )

    async def claim(
        self,
        wanted: Mapping[str, int],
        *,
        owner: str,
        now: int,
        new: Mapping[str, int] | None = None,
        per_key: Mapping[str, int] | None = None,
    ) -> list[Claim]:
        """Claim instances that are ready."""
        return await self._claims.take(claiming.bounds(wanted, new, per_key), owner=owner, now=now)

    async def load(self, after: Mapping[int, int]) -> dict[int, Past]:
        """Read what instances are played from."""
        return await self._readers.read(lambda db: {key: past(db, key, seq) for key, seq in after.items()})

    async def append(self, batch: Batch) -> Appended:
        """Append facts under claims."""
        size = sum([len(row[4]) for row in batch.rows])
        with effects.around(batch.effects, self._cells, self.queues) as more:
            return await self._writer.submit(
                lambda db: appending.append(db, self._counters, batch),
                rows=len(batch.claims),
                size=size + more,
            )

    async def release(self, claims: Sequence[tuple[int, int]], *, now: int, died: bool = False) -> None:
        """Give claims back."""
        wake_at = DIED if died else now
        await self._writer.submit(lambda db: claiming.release(db, self._counters, claims, wake_at))

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
        return await self._writer.submit(
            lambda db: inbox.deliver(db, self._counters, key, (type_, payload), now=now), size=len(payload)
        )

    async def find_one(self, workflow: str, id_: str) -> Instance | None:
        """Find an instance by its name."""
        row = await self._readers.read(lambda db: db.execute(sql.FIND_ONE, (workflow, id_)).fetchone())
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
        skip: int = 0,
    ) -> list[Instance]:
        """List instances by key."""
        wanted = lists.Wanted(
            workflow=workflow,
            status=status,
            tag=tag,
            after=after,
            newest_first=newest_first,
            skip=skip,
            limit=limit,
        )
        return await self._readers.read(lambda db: lists.find(db, wanted))

    async def counts(self, workflow: str) -> dict[str, int]:
        """Count instances by status."""
        return await self._readers.read(lambda db: lists.counts(db, workflow))

    async def versions(self, workflows: Sequence[str]) -> set[str]:
        """Name the versions that are needed."""
        return await self._readers.read(lambda db: lists.versions(db, workflows))

    async def due_at(self, workflows: Sequence[str]) -> int | None:
        """Say when the next instance is due."""

        def read(db: sqlite3.Connection) -> list[int]:
            found = (db.execute(sql.DUE_AT, (workflow,)).fetchone()[0] for workflow in workflows)
            return [at for at in found if at is not None]

        return min(await self._readers.read(read), default=None)

    async def delete(self, keys: Sequence[int], *, now: int) -> list[Delivery]:
        """Delete instances with all they have."""
        deliveries = await self._writer.submit(lambda db: moves.delete(db, self._counters, keys, now=now))
        await self._sweep()
        return deliveries

    async def retire(self, *, now: int, limit: int) -> int:
        """Delete instances whose retention is over."""
        gone = await self._in_pieces(
            lambda db, most: removing.expired(db, self._counters, now=now, limit=most),
            limit,
            removing.AT_ONCE,
        )
        await self._sweep()
        return gone

    async def _sweep(self) -> None:
        """Delete what remains of instances that are gone, a piece a transaction; others write in between."""
        while await self._writer.submit(removing.sweep):
            pass

    async def journal(self, key: int, *, after: int = 0, limit: int = 1_000) -> list[Record]:
        """Read an instance's facts."""
        rows = await self._readers.read(lambda db: db.execute(sql.JOURNAL, (key, after, limit)).fetchall())
        return [Record(*row) for row in rows]

    async def note(self, lines: Sequence[tuple[int, int, bytes]]) -> None:
        """Keep lines of no instance."""
        await self._writer.submit(lambda db: operations.note(db, self._counters, lines))

    async def trim(self, *, before: int, keep: int, limit: int) -> int:
        """Delete the oldest lines of no instance."""
        if self._surplus is None or self._surplus[0] != keep:
            nth = await self._readers.read(lambda db: db.execute(sql.NTH_NEWEST_LINE, (keep,)).fetchone())
            self._surplus = (keep, 0 if nth is None else nth[0])
        until = max(before, self._surplus[1])
        gone = await self._in_pieces(
            lambda db, most: operations.trim(db, self._counters, before=until, limit=most),
            limit,
            removing.ROWS,
        )
        if gone < limit:
            self._surplus = None  # to count to the line from which on all are too many takes long
        return gone

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
        rows = await self._readers.read(lambda db: db.execute(sql.TAIL, wanted).fetchall())
        return [Record(*row) for row in rows]

    async def position(self, *, at: int | None = None) -> int:
        """Give the last position, now or before an instant."""
        if at is None:
            return await self._readers.read(lambda db: int(db.execute(sql.LAST_POSITION).fetchone()[0]))
        return await self._readers.read(lambda db: lists.position_before(db, at))

    async def read(self, space: str, keys: Sequence[str], *, now: int) -> dict[str, Cell]:
        """Read cells."""
        return await self._cells.read(space, keys, now=now)

    async def scan(
        self, space: str, *, now: int, prefix: str = "", after: str = "", limit: int = 1_000
    ) -> list[Cell]:
        """List cells by key."""
        return await self._cells.scan(space, now=now, prefix=prefix, after=after, limit=limit)

    async def expire(self, *, now: int, limit: int) -> int:
        """Delete cells that have expired."""
        return await self._in_pieces(
            lambda db, most: db.execute(sql.EXPIRE_CELLS, (now, most)).rowcount, limit, removing.CELLS
        )

    async def write(self, changes: Sequence[Cell | Absent]) -> None:
        """Write and remove cells."""
        await self._cells.write(changes)

    def on_commit(self, told: Callable[[int], None]) -> None:
        """Call ``told`` after each commit that added records."""
        self._told.append(told)

    async def close(self) -> None:
        """Finish what was accepted, and let go."""
        self._readers.stop()
        await self._writer.close()
        await self._readers.close()
        self._runway.close()
        self._db.close()
        self._lock.close()

    async def _in_pieces(
        self, delete: Callable[[sqlite3.Connection, int], int], limit: int, piece: int
    ) -> int:
        """Delete at most ``limit`` of something, a ``piece`` with each transaction; give how many it were."""
        gone = 0
        while gone < limit:
            most = min(limit - gone, piece)
            took = await self._writer.submit(lambda db: delete(db, most))  # noqa: B023
            gone += took
            if took < most:
                break
        return gone

    def _tell(self, position: int) -> None:
        if position != self._last_told:
            self._last_told = position
            for told in self._told:
                told(position)


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
            db.execute(f"PRAGMA wal_autocheckpoint = {PAGES}")
            # Some systems' SQLite overwrites all that is deleted with zeros, which takes ten times as long.
            db.execute("PRAGMA secure_delete = FAST")
            # What one statement puts aside: all of it is bounded by what a transaction takes in.
            db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"PRAGMA cache_size = -{READ_CACHE_KIB if read_only else CACHE_KIB}")
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
