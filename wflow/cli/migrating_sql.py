"""Migrations of a database: files by their numbers, and which of them a table says were applied."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wflow.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from wflow.cli.database import Meant
    from wflow.client.api import Api

_NUMBER: Final = re.compile(r"\d{1,18}")


def names(folder: Path) -> list[str]:
    """Name the migrations in a folder, in the order in which they are applied."""
    found = [path.name for path in folder.glob("*.sql")]
    return sorted(found, key=lambda name: (number(name), name))


def number(name: str) -> int:
    """Give the number that a migration's name begins with; 0 without one."""
    found = _NUMBER.match(name)
    return int(found[0]) if found else 0


def missing(api: Api, id_: str, database: Meant) -> list[str]:
    """Name the migrations that are not applied yet; makes the table that tells, if it is not there."""
    if not database.folder.is_dir():
        raise UsageError(
            f"No migrations present at {database.folder}.",
            hint="`wflow d1 migrations create` writes one; `migrations_dir` names another folder",
        )
    table = quoted(database.table)
    api.d1.query(
        id_,
        f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,"
        " applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    [applied] = api.d1.query(id_, f"SELECT name FROM {table} ORDER BY id")  # noqa: S608 - it is quoted
    there = {row["name"] for row in applied["results"]}
    return [name for name in names(database.folder) if name not in there]


def apply(api: Api, id_: str, database: Meant, name: str) -> None:
    """Apply one, and write it down, in one transaction; raises RunnerError and nothing has changed."""
    text = (database.folder / name).read_text(encoding="utf-8-sig")
    escaped = name.replace("'", "''")
    api.d1.query(id_, f"{text}\n;INSERT INTO {quoted(database.table)} (name) VALUES ('{escaped}');")  # noqa: S608


def quoted(name: str) -> str:
    """Write a name for SQL."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
