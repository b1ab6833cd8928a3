"""A database as SQL text, line by line, in the order in which it can be read in again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.databases.faults import D1Error

if TYPE_CHECKING:
    from wflow.databases.opened import Opened

_FETCHED: Final = 200
"""Rows in memory at once."""
_SHADOWS: Final = ("_data", "_idx", "_content", "_docsize", "_config")
"""What full-text search keeps of its own: it is made again with its table."""


_VOCABULARY: Final = re.compile(r"\busing\s+[\"'`\[]?fts5vocab\b", re.IGNORECASE)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an export is to have; no ``tables`` means all."""

    no_data: bool = False
    no_schema: bool = False
    tables: Sequence[str] = ()


def dump(opened: Opened, wanted: Wanted) -> Iterator[str]:
    """Give the statements, of one moment; raises D1Error for a table that there is not."""
    opened.own("BEGIN")
    try:
        yield "PRAGMA defer_foreign_keys=TRUE;"
        listed = opened.own("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid")
        virtual = {name: sql for _, name, _, sql in listed if _is_virtual(sql)}
        shadows = {f"{name}{end}" for name in virtual for end in _SHADOWS}
        known = {name for kind, name, _, _ in listed if kind == "table"}
        if missing := set(wanted.tables) - known:
            raise D1Error(f"no such table: {min(missing)}: SQLITE_ERROR")
        chosen = [
            each
            for each in listed
            if not each[1].startswith(("_cf_", "sqlite_"))
            and each[2] not in shadows
            and (not wanted.tables or each[2] in wanted.tables)
        ]
        yield from _tables(opened, chosen, wanted, virtual)
        if not wanted.no_data and "sqlite_sequence" in known:
            yield from _sequences(opened, {each[2] for each in chosen})
        if not wanted.no_schema:
            for kind, _, _, sql in chosen:
                if kind != "table" and sql:
                    yield f"{sql};"
    finally:
        opened.own("ROLLBACK")


def _tables(
    opened: Opened,
    chosen: Sequence[tuple[str, str, str, str]],
    wanted: Wanted,
    virtual: Mapping[str, str],
) -> Iterator[str]:
    """Give all tables, then what is in them: a row may refer to a table that was made later."""
    tables = [(name, sql) for kind, name, _, sql in chosen if kind == "table"]
    if not wanted.no_schema:
        for _, sql in tables:
            yield f"{sql};"
    if not wanted.no_data:
        for name, _ in tables:
            if name not in virtual:
                yield from _rows(opened, name)
            elif not _is_vocabulary(virtual[name]):
                yield from _rows(opened, name, "rowid")  # by which other tables know what is found


def _rows(opened: Opened, table: str, *more: str) -> Iterator[str]:
    """Give an INSERT for each row; columns that are computed are left out."""
    quoted = _name(table)
    columns = [
        column[1] for column in opened.own(f"PRAGMA table_xinfo({quoted})") if column[6] not in {1, 2, 3}
    ]
    names = ",".join(map(_name, (*more, *columns)))
    opened.guard.own = True
    cursor = opened.db.execute(f"SELECT {names} FROM {quoted}")  # noqa: S608 - names are quoted
    while rows := cursor.fetchmany(_FETCHED):
        opened.look()
        for row in rows:
            yield f"INSERT INTO {quoted} ({names}) VALUES({','.join(map(_value, row))});"


def _sequences(opened: Opened, tables: set[str]) -> Iterator[str]:
    yield "DELETE FROM sqlite_sequence;"
    for name, number in opened.own("SELECT name, seq FROM sqlite_sequence"):
        if name in tables:
            yield f'INSERT INTO "sqlite_sequence" ("name","seq") VALUES({_value(name)},{_value(number)});'


def _value(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"X'{value.hex()}'"
        case str():
            if "\0" in value:
                return f"CAST(X'{value.encode().hex()}' AS TEXT)"
            quoted = value.replace("'", "''")
            return f"'{quoted}'"
        case float():
            if value in {float("inf"), float("-inf")}:
                return "9e999" if value > 0 else "-9e999"
            return repr(value)
    return str(value)


def _name(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _is_vocabulary(sql: str) -> bool:
    """Tell whether a virtual table only shows what another one has; nothing can be put into it."""
    return _VOCABULARY.search(sql) is not None


def _is_virtual(sql: str | None) -> bool:
    return bool(sql) and str(sql)[:40].upper().replace("\n", " ").split()[:2] == ["CREATE", "VIRTUAL"]
