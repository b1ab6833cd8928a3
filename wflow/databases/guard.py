"""What SQL of users may ask of SQLite: its own tables, and nothing of the machine or of other calls."""

from __future__ import annotations

import sqlite3
from typing import Final

from wflow.databases import faults

RESERVED: Final = "_cf_"
"""Tables whose names begin so are wflow's, as they are Cloudflare's on D1."""

_FORBIDDEN: Final = frozenset(
    {
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_CREATE_TEMP_INDEX,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
    }
)
_TRANSACTIONS: Final = frozenset({sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT})
_BY_FIRST: Final = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_VTABLE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_DROP_VTABLE,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_UPDATE,
    }
)
"""Actions whose first argument is a table."""
_BY_SECOND: Final = frozenset(
    {
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TRIGGER,
    }
)
_SCHEMA: Final = frozenset(
    {
        *_BY_SECOND,
        sqlite3.SQLITE_ANALYZE,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_VTABLE,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_DROP_VTABLE,
        sqlite3.SQLITE_REINDEX,
    }
)
_MODULES: Final = frozenset({"fts5", "fts5vocab"})
_HIDDEN: Final = frozenset(
    {"dbstat", "sqlite_stmt", "sqlite_dbpage", "sqlite_dbdata", "sqlite_dbptr", "bytecode", "tables_used"}
)
"""Tables that SQLite makes of its insides."""
_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_SETTINGS: Final = {
    "case_sensitive_like": "OFF",
    "foreign_keys": "ON",
    "ignore_check_constraints": "OFF",
    "legacy_alter_table": "OFF",
    "recursive_triggers": "OFF",
    "reverse_unordered_selects": "OFF",
}
"""Pragmas that may be set for the rest of a call, and what they are before and after it."""
_ASKING: Final = frozenset(
    {
        *_SETTINGS,
        "data_version",  # full-text search asks for it
        "defer_foreign_keys",
        "foreign_key_check",
        "foreign_key_list",
        "function_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "optimize",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)
"""Pragmas that may be used, as on D1."""


class Guard:
    """SQLite's authorizer of one connection; it is asked about every statement that is prepared.

    While ``own`` is true, the statements are wflow's and may do anything. ``schema`` tells that one changed
    more than rows, ``settings`` that one set a pragma, ``why`` what was wrong with one that was refused.
    """

    def __init__(self) -> None:
        """Trust what comes until told otherwise."""
        self.own = True
        self.schema = False
        self.settings = False
        self.why = ""

    def begin(self) -> None:
        """Judge what comes now."""
        self.own = self.schema = False
        self.why = ""

    def __call__(
        self, action: int, first: str | None, second: str | None, database: str | None, _source: str | None
    ) -> int:
        """Answer SQLite."""
        if self.own:
            return sqlite3.SQLITE_OK
        if action in _SCHEMA:
            self.schema = True
            if database == "temp":  # SQLite tells `CREATE TABLE temp.t` from `CREATE TEMP TABLE t`
                return sqlite3.SQLITE_DENY
        if action in _TRANSACTIONS:
            self.why = faults.TRANSACTION
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK if self._may(action, first or "", second or "") else sqlite3.SQLITE_DENY

    def _may(self, action: int, first: str, second: str) -> bool:
        if action == sqlite3.SQLITE_PRAGMA:
            return self._may_pragma(first.lower(), second)
        if action == sqlite3.SQLITE_FUNCTION:
            return second.lower() not in _FUNCTIONS
        if action == sqlite3.SQLITE_CREATE_VTABLE and second.lower() not in _MODULES:
            return False
        table = first if action in _BY_FIRST else second if action in _BY_SECOND else ""
        if table.lower().startswith(RESERVED):
            return False
        return action not in _FORBIDDEN and table.lower() not in _HIDDEN

    def _may_pragma(self, name: str, value: str) -> bool:
        if name in _SETTINGS and value:
            self.settings = True
        if name == "optimize":
            self.schema = True
        return name in _ASKING


def defaults() -> list[str]:
    """Give the statements that put a connection's settings to what they are for every call."""
    return [f"PRAGMA {name}={value}" for name, value in _SETTINGS.items()]
