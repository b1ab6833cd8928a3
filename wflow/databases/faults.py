"""What a database refuses, in Cloudflare's words.

::

    InvalidInput
    ├── D1Error            "D1_ERROR: ...", and D1_TYPE_ERROR, D1_EXEC_ERROR, D1_COLUMN_NOTFOUND
    └── DatabaseExists     the name is taken
    TooMany
    └── D1Overloaded       "D1_ERROR: D1 DB is overloaded. ..."; may go well later
    WorkerNotFound
    └── DatabaseNotFound   no database has that id or name
"""

from __future__ import annotations

import sqlite3
from typing import Final

from wflow.errors import InvalidInput, StoreError, TooMany, WorkerNotFound

TIMED_OUT: Final = "D1 DB storage operation exceeded timeout which caused object to be reset."
TOO_BIG: Final = "Exceeded maximum DB size."
NO_SQL: Final = "No SQL statements detected."
COUNT: Final = "Wrong number of parameter bindings for SQL query."
TRANSACTION: Final = (
    "To execute a transaction, please use the state.storage.transaction() or "
    "state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. "
    "Here that is db.batch(), which is rolled back as a whole."
)
QUEUED: Final = "D1_ERROR: D1 DB is overloaded. Requests queued for too long."
CROWDED: Final = "D1_ERROR: D1 DB is overloaded. Too many requests queued."


class D1Error(InvalidInput):
    """A query is refused, or has failed; nothing of its call was kept.

    ``plain`` is without the prefix, ``index`` says which statement of the call it was, from 0.
    """

    code = 7500
    index = 0

    def __init__(self, plain: str, *, prefix: str = "D1_ERROR", hint: str | None = None) -> None:
        """Say it with Cloudflare's prefix."""
        super().__init__(f"{prefix}: {plain}", hint=hint)
        self.plain = plain


class D1Overloaded(TooMany):
    """A database has more to do than it can."""


class DatabaseNotFound(WorkerNotFound):
    """No database has that id or name; 7404 is Cloudflare's number."""

    code = 7404


class DatabaseExists(InvalidInput):
    """Another database has that name; 7502 is Cloudflare's number."""

    code = 7502


def told(broken: Exception) -> Exception:
    """Turn what SQLite raises into a D1Error and what the disk does into a StoreError; others stay."""
    if isinstance(broken, D1Error):
        return broken
    if isinstance(broken, OverflowError):
        return D1Error("a whole number is beyond 64 bits", prefix="D1_TYPE_ERROR")
    if isinstance(broken, OSError):
        failed = StoreError(f"the disk said: {broken}", hint="nothing of this was kept")
        failed.__cause__ = broken
        return failed
    if isinstance(broken, UnicodeEncodeError):
        return D1Error("a text is no Unicode: it has a lone surrogate", prefix="D1_TYPE_ERROR")
    if not isinstance(broken, sqlite3.Error):
        return broken
    text = str(broken)
    if text.startswith("Incorrect number of bindings"):
        return D1Error(COUNT)
    code = getattr(broken, "sqlite_errorcode", None)
    if code is None:
        name = "SQLITE_TOOBIG" if "too large" in text or "too big" in text else "SQLITE_ERROR"
        return D1Error(f"{text}: {name}")
    if code & 0xFF == sqlite3.SQLITE_INTERRUPT:
        return D1Error(TIMED_OUT, hint="a query may take 30 s; an index helps")
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return D1Error(TOO_BIG, hint="a database holds 10 GB, if the disk does")
    return D1Error(f"{text}: {_NAMES.get(code & 0xFF, 'SQLITE_ERROR')}")


_NAMES: Final = {
    getattr(sqlite3, name): name
    for name in (
        "SQLITE_AUTH",
        "SQLITE_BUSY",
        "SQLITE_CANTOPEN",
        "SQLITE_CONSTRAINT",
        "SQLITE_CORRUPT",
        "SQLITE_IOERR",
        "SQLITE_MISMATCH",
        "SQLITE_NOMEM",
        "SQLITE_NOTADB",
        "SQLITE_PERM",
        "SQLITE_RANGE",
        "SQLITE_READONLY",
        "SQLITE_SCHEMA",
        "SQLITE_TOOBIG",
    )
}
