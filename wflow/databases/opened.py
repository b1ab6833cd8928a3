"""An open SQLite file: its limits, its guard, and the hand on the brake."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from wflow.databases import limits
from wflow.databases.faults import TIMED_OUT
from wflow.databases.guard import Guard, defaults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGE_BYTES: Final = 4_096
_CACHE_KIB: Final = 4 * 1_024
_DEFENSIVE: Final = 1010
"""SQLITE_DBCONFIG_DEFENSIVE: no SQL writes to the insides of a file."""
_OPS: Final = 20_000
"""Instructions of SQLite's machine between two looks at the clock: a millisecond or less."""

_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: limits.VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: limits.STATEMENT_BYTES,
    sqlite3.SQLITE_LIMIT_COLUMN: limits.COLUMNS,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: limits.EXPRESSION_DEPTH,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: limits.PARAMETERS,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: limits.LIKE_BYTES,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: limits.ARGUMENTS,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


class Opened:
    """A connection, for one thread at a time.

    Nothing that was prepared is kept: what wflow prepared for itself must not be found by a user who writes
    the same text.
    """

    def __init__(self, path: Path, *, writes: bool) -> None:
        """Open the file at ``path``; one that ``writes`` makes it if need be."""
        mode = "rwc" if writes else "ro"
        self.guard = Guard()
        self.until = float("inf")
        self.last_row_id = 0
        self.wrote = False
        self._stopped = False
        self.db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=0,
            timeout=5.0,
        )
        try:
            self._prepare(writes=writes)
        except BaseException:
            self.db.close()
            raise

    def own(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run a statement of wflow's, unguarded and unbraked."""
        self.guard.own = True
        until, self.until = self.until, float("inf")
        try:
            return self.db.execute(sql, parameters).fetchall()
        finally:
            self.until = until

    @contextlib.contextmanager
    def transaction(self, begin: str, seconds: float) -> Iterator[None]:
        """Brake what runs in the block after so many seconds; on the way out, what is open is rolled back."""
        self.own(begin)
        self.until = time.monotonic() + seconds
        try:
            yield
        finally:
            self.until = float("inf")
            if self.db.in_transaction:
                self.own("ROLLBACK")
            if self.guard.settings:
                self.guard.settings = False
                for each in defaults():
                    self.own(each)

    def stop(self) -> None:
        """Have what runs now end soon, and everything after it until the end of its transaction."""
        self.until = 0.0

    def end(self) -> None:
        """Have what runs now end, also what is not braked, and nothing run after it; from another thread."""
        self._stopped = True
        self.db.interrupt()

    def look(self, *_told: object) -> None:
        """Raise TimeoutError when it is to end; for what goes on for long between two statements."""
        if self._stopped or time.monotonic() > self.until:
            raise TimeoutError(TIMED_OUT)

    def close(self) -> None:
        """Let go."""
        self.db.close()

    def _prepare(self, *, writes: bool) -> None:
        db = self.db
        db.text_factory = _text
        for limit, most in _LIMITS.items():
            db.setlimit(limit, most)
        if hasattr(db, "setconfig"):  # Python 3.12
            db.setconfig(_DEFENSIVE, True)  # noqa: FBT003 - theirs
        if writes:
            self.own(f"PRAGMA page_size={PAGE_BYTES}")
            self.own("PRAGMA journal_mode=WAL")
            self.own("PRAGMA synchronous=FULL")
            # Pages move into the file only after the history has them.
            self.own("PRAGMA wal_autocheckpoint=0")
            self.own(f"PRAGMA max_page_count={limits.DATABASE_BYTES // PAGE_BYTES}")
        else:
            self.own("PRAGMA query_only=ON")
        self.own(f"PRAGMA cache_size=-{_CACHE_KIB}")
        for each in defaults():
            self.own(each)
        db.set_authorizer(self.guard)
        db.set_progress_handler(self._late, _OPS)

    def _late(self) -> int:
        return time.monotonic() > self.until


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
