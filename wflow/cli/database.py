"""Which database a command means: by its binding or name in the config, else by its name or id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from wflow.cli import output
from wflow.errors import ConfigError, RunnerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wflow.client.api import Api

Database = Annotated[str, typer.Argument(metavar="DATABASE", help="The database's name, binding or id.")]
_NOT_FOUND: Final = 404
_SECONDS_DIGITS: Final = 11
"""Longer numbers are milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """A database: how the runner knows it, its name, and where its migrations are."""

    id: str
    name: str
    declared: bool
    folder: Path
    table: str


def meant(given: str, *, environment: str | None = None) -> Meant:
    """Find it in the config, if there is one; else the runner is to know it."""
    from wflow.bundle.manifest import resource_name
    from wflow.config import load

    try:
        project = load.load(path=load.find(Path.cwd()), environment=environment)
    except ConfigError:
        if environment is not None:
            raise
        return Meant(id=given, name=given, declared=False, folder=Path("migrations"), table="d1_migrations")
    for each in project.d1_databases:
        made_up = resource_name(project.name, each.binding)
        name = each.name or made_up
        if given in {each.binding, each.name, each.id, made_up}:
            return Meant(
                id=each.id or made_up,
                name=name,
                declared=True,
                folder=project.root / each.migrations_dir,
                table=each.migrations_table,
            )
    return Meant(
        id=given, name=given, declared=False, folder=project.root / "migrations", table="d1_migrations"
    )


def present(api: Api, database: Meant, *, local: bool) -> str:
    """Give the id by which the runner knows it; what a dev session's config declares is made."""
    try:
        return str(api.d1.get(database.id)["uuid"])
    except RunnerError as refused:
        if refused.status != _NOT_FOUND:
            raise
        if local and database.declared:
            return str(api.d1.create(database.name, id_=database.id)["uuid"])
        if database.name != database.id:
            return str(api.d1.get(database.name)["uuid"])
        raise UsageError(
            f"Couldn't find a D1 DB with the name or binding '{database.name}'",
            hint=f"`wflow d1 create {database.name}` makes one, `wflow d1 list` shows those there are",
        ) from refused


def show(results: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows of each result as a table."""
    for result in results:
        rows = result.get("results") or []
        if rows:
            heads = list(rows[0])
            output.table(heads, [[_cell(row.get(head)) for head in heads] for row in rows])


def _cell(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def instant(given: str | None) -> str | None:
    """Write a time as the API takes it: whole seconds since 1970 become milliseconds."""
    if given is not None and given.isdecimal() and len(given) <= _SECONDS_DIGITS:
        return f"{given}000"
    return given
