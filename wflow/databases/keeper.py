"""The one connection of a database that writes, and its history; all of it is for one thread."""

from __future__ import annotations

import logging
import os
import sqlite3
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from wflow.databases import limits
from wflow.databases.executing import Answer, Statement, run
from wflow.databases.faults import D1Error, told
from wflow.databases.history import Gap, History
from wflow.databases.opened import PAGE_BYTES, Opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FILE: Final = "db.sqlite"
LOG_FRAMES: Final = 1_000
"""Pages in SQLite's log from which on they are copied to the history and moved into the file."""
_PATIENCE: Final = 16
"""So many times that, and the writer waits for readers of old states, as long as a query may take."""
_BACKUP_PAGES: Final = 2_000
_SWEPT: Final = 1_000
"""Rows of wflow's own tables that one commit clears away."""
EFFECT_BYTES: Final = 1_000_000
"""What a call in a step that writes may give back: it is kept, for the step's next attempt."""

_TABLES: Final = (
    "CREATE TABLE _cf_COMMITS (n INTEGER PRIMARY KEY, at INTEGER NOT NULL)",
    (
        "CREATE TABLE _cf_EFFECTS (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, at INTEGER NOT NULL,"
        " result BLOB NOT NULL)"
    ),
    "INSERT INTO _cf_COMMITS VALUES (1, ?)",
)
_log = logging.getLogger("wflow.databases")
T = TypeVar("T")


class Keeper:
    """Writes a database; every commit has a number, one more than the last, and the time it was made."""

    def __init__(self, folder: Path, clock: Callable[[], int]) -> None:
        """Open the database in ``folder``, or make it."""
        folder.mkdir(parents=True, exist_ok=True)
        for stray in folder.glob("*.tmp*"):
            stray.unlink()  # a copy that was being made when the runner died
        self.folder = folder
        self._clock = clock
        self.opened = Opened(folder / FILE, writes=True)
        try:
            self._begin()
            self.history = History(folder / "history")
            self.last: int
            self.at: int
            self.last, self.at = self.opened.own("SELECT n, at FROM _cf_COMMITS ORDER BY n DESC LIMIT 1")[0]
            self._swept = 0
            self._look_at = LOG_FRAMES * PAGE_BYTES
            if self.history.kept > self.last:
                self._catch_up()
            self.archive()
        except BaseException:
            self.opened.close()
            raise

    def write(self, work: Callable[[Opened], T], seconds: float = limits.QUERY_S) -> tuple[T, int, int]:
        """Run ``work`` in a transaction; give its result, the last commit's number and the database's size.

        It is on disk then. Raises D1Error, and nothing has changed.
        """
        opened = self.opened
        opened.wrote = False
        try:
            with opened.transaction("BEGIN IMMEDIATE", seconds):
                result = work(opened)
                if opened.wrote:
                    self._commit()
        except sqlite3.Error as broken:
            raise told(broken) from broken
        pages: int = opened.own("PRAGMA page_count")[0][0]
        if opened.wrote:
            self._tend()
        return result, self.last, pages * PAGE_BYTES

    def execute(self, statements: Sequence[Statement], effect: bytes | None) -> tuple[list[Answer], int, int]:
        """Run statements as `write` does; with the key of an ``effect`` once, with what they gave then."""
        if effect is None:
            return self.write(lambda opened: run(opened, statements))
        return self.write(lambda opened: self._once(opened, statements, effect))

    def restore(self, number: int) -> int:
        """Make the database what it was at a commit, as a new commit; give that one's number."""
        self.archive()
        made = self.folder / "restoring.tmp"
        self._clear(made)
        try:
            self.history.rebuild(made, number)
            source = sqlite3.connect(made, isolation_level=None)
            try:
                for each in ("journal_mode=DELETE", "synchronous=OFF"):
                    source.execute(f"PRAGMA {each}")
                at = max(self._clock(), self.at)
                source.execute("BEGIN")
                source.execute("DELETE FROM _cf_COMMITS")
                source.execute("INSERT INTO _cf_COMMITS VALUES (?, ?)", (self.last + 1, at))
                source.execute("COMMIT")
                # One transaction of SQLite's log: whoever reads goes on with what was, a crash leaves it so.
                source.backup(self.opened.db)
            finally:
                source.close()
        except sqlite3.Error as broken:
            raise told(broken) from broken
        finally:
            self._clear(made)
        self.last, self.at = self.last + 1, at
        self._tend()
        return self.last

    def archive(self) -> None:
        """Copy what SQLite's log has to the history, and move it into the file."""
        opened = self.opened
        _, frames, _ = opened.own("PRAGMA wal_checkpoint(PASSIVE)")[0]
        wal = self.folder / f"{FILE}-wal"
        if frames > 0:
            times = dict(opened.own("SELECT n, at FROM _cf_COMMITS WHERE n > ?", (self.history.kept,)))
            try:
                self.history.take(wal, frames, self.last, times)
            except Gap:
                self._begin_anew()
        elif self.history.kept < self.last:  # others have emptied SQLite's log
            self._begin_anew()
        patient = frames > LOG_FRAMES * _PATIENCE
        opened.own(f"PRAGMA busy_timeout={int(limits.QUERY_S * 1000) if patient else 0}")
        try:
            opened.own("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            opened.own("PRAGMA busy_timeout=5000")
        size = wal.stat().st_size if wal.exists() else 0
        self._look_at = size + LOG_FRAMES * PAGE_BYTES

    def wants_base(self) -> bool:
        """Tell whether a copy of the whole is due."""
        return self.history.wants_base((self.folder / FILE).stat().st_size)

    def add_base(self, copy: Path, number: int, at: int) -> None:
        """Take a copy into the history."""
        self.archive()
        self.history.add_base(copy, number, at)
        self.history.forget(self._clock(), (self.folder / FILE).stat().st_size)

    def close(self) -> None:
        """Let go; SQLite empties its log then, so what is there goes to the history first."""
        try:
            self.archive()
        except (OSError, sqlite3.Error, D1Error) as broken:
            # The log must stay for the next start: a process that ends without closing leaves it.
            _log.warning("the history of %s is behind: %s", self.folder.name, broken)
            return
        self.opened.close()

    def _begin(self) -> None:
        if self.opened.own("SELECT 1 FROM sqlite_master WHERE name = '_cf_COMMITS'"):
            return
        self.opened.own("BEGIN IMMEDIATE")
        for each in _TABLES:
            self.opened.own(each, (self._clock(),) if "?" in each else ())
        self.opened.own("COMMIT")

    def _once(self, opened: Opened, statements: Sequence[Statement], effect: bytes) -> list[Answer]:
        found = opened.own("SELECT result FROM _cf_EFFECTS WHERE key = ?", (effect,))
        if found:
            kept_then: list[Answer] = msgspec.msgpack.decode(found[0][0], type=list[Answer])
            return kept_then
        answers = run(opened, statements)
        if not opened.wrote:
            return answers  # else who looks for work and finds none would find none at each attempt
        kept = msgspec.msgpack.encode(answers)
        if len(kept) > EFFECT_BYTES:
            raise D1Error(
                f"what a write in a step gives back is {len(kept):,} bytes; the limit is {EFFECT_BYTES:,}",
                hint="read in a call of its own",
            )
        opened.own(
            "INSERT INTO _cf_EFFECTS (key, at, result) VALUES (?, ?, ?)", (effect, self._clock(), kept)
        )
        return answers

    def _commit(self) -> None:
        at = max(self._clock(), self.at)
        opened = self.opened
        # Where processes are only played, one that died may have committed since.
        self.last = max(self.last, opened.own("SELECT max(n) FROM _cf_COMMITS")[0][0])
        opened.own("INSERT INTO _cf_COMMITS VALUES (?, ?)", (self.last + 1, at))
        if self._swept < self.history.kept:
            opened.own("DELETE FROM _cf_COMMITS WHERE n < ?", (self.history.kept,))
            opened.own(
                "DELETE FROM _cf_EFFECTS WHERE id IN (SELECT id FROM"
                " (SELECT id, at FROM _cf_EFFECTS ORDER BY id LIMIT ?) WHERE at < ?)",
                (_SWEPT, self._clock() - limits.EFFECTS_MS),
            )
        opened.own("COMMIT")
        self.last, self.at = self.last + 1, at
        self._swept = self.history.kept

    def _tend(self) -> None:
        """Copy and move pages when there are many; what goes wrong there takes no write back."""
        try:
            if (self.folder / f"{FILE}-wal").stat().st_size >= self._look_at:
                self.archive()
        except (OSError, sqlite3.Error, D1Error) as broken:
            _log.warning("the history of %s is behind: %s", self.folder.name, broken)

    def _catch_up(self) -> None:
        """Go on after the history's last commit, when an older file was put in the database's place."""
        self.last = self.history.kept
        self.opened.own("BEGIN IMMEDIATE")
        self._commit()
        self._begin_anew()

    def _begin_anew(self) -> None:
        _log.warning("the history of %s has a gap: time travel begins anew", self.folder.name)
        copy = self.folder / "base.tmp"
        number, at = copied(self.opened, copy)
        self.history.begin_anew(number)
        self.history.add_base(copy, number, at)

    def _clear(self, made: Path) -> None:
        for end in ("", "-wal", "-shm", "-journal"):
            made.with_name(f"{made.name}{end}").unlink(missing_ok=True)


def copied(opened: Opened, target: Path) -> tuple[int, int]:
    """Copy a database as it is now to a file; give the number and the time of its last commit."""
    target.unlink(missing_ok=True)
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA synchronous=OFF")
        opened.own("BEGIN")
        try:
            number, at = opened.own("SELECT n, at FROM _cf_COMMITS ORDER BY n DESC LIMIT 1")[0]
            # In one read transaction, so all pages are of one state however many steps it takes.
            opened.db.backup(copy, pages=_BACKUP_PAGES, progress=opened.look)
        finally:
            opened.own("ROLLBACK")
    finally:
        copy.close()
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return number, at
