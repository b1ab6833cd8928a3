"""All databases of a runner: a folder each, and a catalogue of their ids and names."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import threading
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

import msgspec

from wflow.databases import limits
from wflow.databases.attempts import Attempts
from wflow.databases.database import Database
from wflow.databases.faults import CROWDED, D1Overloaded, DatabaseExists, DatabaseNotFound
from wflow.databases.transfers import Transfers
from wflow.errors import InvalidInput, StoreError, TooMany

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SWEEP_S: Final = 15.0
"""How often it is looked for databases that rest."""
T = TypeVar("T")

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_FOLDER: Final = re.compile(r"[a-z0-9_-]{1,64}\Z")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue says of a database; the time is in milliseconds since 1970."""

    id: str
    name: str
    created_at: int


class Databases:
    """Makes, lists, opens and deletes databases; nothing is touched before the first call."""

    def __init__(self, folder: Path, clock: Callable[[], int]) -> None:
        """Keep them in ``folder``; ``clock`` gives milliseconds since 1970."""
        self.folder = folder
        self.attempts = Attempts()
        self._clock = clock
        self._open: dict[str, Database] = {}
        self._transfers: dict[str, Transfers] = {}
        self._catalogue: _Catalogue | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._closing: dict[str, asyncio.Task[None]] = {}

    def now(self) -> int:
        """Tell the time."""
        return self._clock()

    async def create(self, name: str) -> About:
        """Make a database; raises InvalidInput for the name, DatabaseExists, TooMany."""
        _check(name)
        return await self._ask(lambda catalogue: catalogue.add(str(uuid4()), name, self._clock()))

    async def ensure(self, id_: str, name: str) -> About:
        """Give the database of that id; one that is not there is made, under that name if it is free."""
        return await self._ask(lambda catalogue: catalogue.ensure(id_, name, self._clock()))

    async def get(self, id_or_name: str) -> About:
        """Get one by its id, else by its name; raises DatabaseNotFound."""
        return await self._ask(lambda catalogue: catalogue.get(id_or_name))

    async def find(self, name: str | None = None) -> list[About]:
        """List them by name; with ``name`` those that have it in theirs."""
        return await self._ask(lambda catalogue: catalogue.find(name))

    async def rename(self, id_: str, name: str) -> About:
        """Give it another name; raises as `create` and `get` do."""
        _check(name)
        return await self._ask(lambda catalogue: catalogue.rename(id_, name))

    async def delete(self, id_: str) -> About:
        """Delete one with all it holds; raises DatabaseNotFound."""
        about = await self._ask(lambda catalogue: catalogue.remove(id_))
        if (transfers := self._transfers.pop(about.id, None)) is not None:
            await transfers.close()
        await self._let_go(about.id, remove=True)
        return about

    async def open(self, id_: str) -> Database:
        """Give a database, opened; one that a config declares and nobody has made is made.

        Raises D1Overloaded when too many others are busy.
        """
        database = self._open.get(id_)
        if database is None:
            await self.ensure(id_, id_)
            while (closing := self._closing.get(id_)) is not None:
                await asyncio.wait([closing])
            database = self._open.get(id_)
            if database is None:
                self._make_room()
                database = self._open[id_] = Database(id_, self._path(id_), self._clock)
        database.used_at = time.monotonic()
        return database

    async def transfers(self, id_: str) -> Transfers:
        """Give the exports and imports of a database; raises DatabaseNotFound."""
        about = await self.get(id_)
        if about.id not in self._transfers:
            self._transfers[about.id] = Transfers(self, about.id, self._path(about.id))
        return self._transfers[about.id]

    async def close(self) -> None:
        """Finish what is under way and let go of all files."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for transfers in self._transfers.values():
            await transfers.close()
        for id_ in list(self._open):
            self._let_go(id_)
        await asyncio.gather(*self._closing.values())
        if self._catalogue is not None:
            await asyncio.to_thread(self._catalogue.close)
            self._catalogue = None

    async def _ask(self, ask: Callable[[_Catalogue], T]) -> T:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep())
        return await asyncio.to_thread(self._asked, ask)

    def _asked(self, ask: Callable[[_Catalogue], T]) -> T:
        with _OPENING:
            if self._catalogue is None:
                self._catalogue = _Catalogue(self.folder)
                for id_ in self._catalogue.gone():
                    self._catalogue.clear(id_, self._path(id_))
            catalogue = self._catalogue
        return catalogue.run(ask)

    def _path(self, id_: str) -> Path:
        name = id_ if _FOLDER.match(id_) else f"x{blake2b(id_.encode(), digest_size=16).hexdigest()}"
        return self.folder / name

    def _make_room(self) -> None:
        if len(self._open) < limits.OPEN:
            return
        resting = [each for each in self._open.values() if not each.busy]
        if not resting:
            raise D1Overloaded(CROWDED, hint="too many databases of this runner are busy at once")
        self._let_go(min(resting, key=lambda each: each.used_at).id)

    def _let_go(self, id_: str, *, remove: bool = False) -> asyncio.Task[None]:
        """Close a database beside everything else; until that is done, it is not opened again."""
        database, before = self._open.pop(id_, None), self._closing.get(id_)

        async def work() -> None:
            try:
                if before is not None:
                    await asyncio.wait([before])
                if database is not None:
                    await database.close()
                if remove:
                    await asyncio.to_thread(shutil.rmtree, self._path(id_), ignore_errors=True)
                    await self._ask(lambda catalogue: catalogue.clear(id_, self._path(id_)))
            finally:
                if self._closing.get(id_) is task:
                    del self._closing[id_]

        task = self._closing[id_] = asyncio.get_running_loop().create_task(work())
        return task

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            for database in [each for each in self._open.values() if _rests(each)]:
                self._let_go(database.id)


def _check(name: str) -> None:
    if not _NAME.match(name) or len(name) > limits.NAME_CHARS:
        raise InvalidInput(
            "a database's name has 1 to 64 letters, digits, underscores, dots and hyphens, "
            f"and begins with no hyphen; {name[:80]!r} does not"
        )


def _rests(database: Database) -> bool:
    return not database.busy and time.monotonic() - database.used_at > limits.IDLE_S


class _Catalogue:
    """The table of ids and names; any thread may ask, one at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "catalogue.sqlite", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS databases"
            " (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def run(self, ask: Callable[[_Catalogue], T]) -> T:
        with self._lock:
            try:
                return ask(self)
            except sqlite3.Error as broken:
                raise StoreError(f"the databases' catalogue said: {broken}") from broken

    def get(self, id_or_name: str) -> About:
        for column in ("id", "name"):
            if found := self._rows(f"WHERE {column} = ?", id_or_name):
                return found[0]
        raise DatabaseNotFound(
            f"The database {id_or_name[:80]} could not be found", hint="`wflow d1 list` shows those there are"
        )

    def find(self, name: str | None) -> list[About]:
        return self._rows("WHERE instr(name, ?)", name) if name else self._rows("")

    def add(self, id_: str, name: str, now: int) -> About:
        if self._db.execute("SELECT count(*) FROM databases").fetchone()[0] >= limits.DATABASES:
            raise TooMany(f"there are {limits.DATABASES:,} databases, which is the limit")
        try:
            self._db.execute("INSERT INTO databases VALUES (?, ?, ?)", (id_, name, now))
        except sqlite3.IntegrityError:
            raise DatabaseExists(f"A database with that name already exists: {name}") from None
        return About(id=id_, name=name, created_at=now)

    def ensure(self, id_: str, name: str, now: int) -> About:
        if found := self._rows("WHERE id = ?", id_):
            return found[0]
        taken = self._rows("WHERE name = ?", name)
        return self.add(id_, f"{name}-{id_[:8]}" if taken else name, now)

    def rename(self, id_: str, name: str) -> About:
        about = self.get(id_)
        try:
            self._db.execute("UPDATE databases SET name = ? WHERE id = ?", (name, about.id))
        except sqlite3.IntegrityError:
            raise DatabaseExists(f"A database with that name already exists: {name}") from None
        return msgspec.structs.replace(about, name=name)

    def remove(self, id_: str) -> About:
        about = self.get(id_)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("DELETE FROM databases WHERE id = ?", (about.id,))
            self._db.execute("INSERT OR IGNORE INTO gone VALUES (?)", (about.id,))
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        return about

    def gone(self) -> list[str]:
        """List what was deleted, and may still have its files."""
        return [id_ for (id_,) in self._db.execute("SELECT id FROM gone")]

    def clear(self, id_: str, folder: Path) -> None:
        """Remove the files of a database that was deleted; after a crash before any is opened."""
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            self._db.execute("DELETE FROM gone WHERE id = ?", (id_,))

    def close(self) -> None:
        self._db.close()

    def _rows(self, where: str, *given: str) -> list[About]:
        asked = f"SELECT id, name, created_at FROM databases {where} ORDER BY name"  # noqa: S608 - our own text
        rows = self._db.execute(asked, given)
        return [About(id=row[0], name=row[1], created_at=row[2]) for row in rows]


_OPENING: Final = threading.Lock()
