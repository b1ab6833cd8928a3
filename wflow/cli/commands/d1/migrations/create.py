"""Write an empty migration, with the next number."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from wflow.cli import database, migrating_sql, output
from wflow.cli.database import Database
from wflow.cli.flags import Environment
from wflow.errors import UsageError

EXAMPLES = """
wflow d1 migrations create DB create_users
wflow d1 migrations create app "add an index"
"""

Message = Annotated[str, typer.Argument(metavar="MESSAGE", help="What it does, for the file's name.")]


def command(name: Database, message: Message, *, environment: Environment = None) -> None:
    meant = database.meant(name, environment=environment)
    said = re.sub(r"[^\w.-]+", "_", message).strip("_.")
    if not said:
        raise UsageError("a migration's name needs a letter or a digit")
    meant.folder.mkdir(parents=True, exist_ok=True)
    last = max((migrating_sql.number(each) for each in migrating_sql.names(meant.folder)), default=0)
    path = meant.folder / f"{last + 1:04d}_{said}.sql"
    path.write_text(f"-- Migration number: {last + 1:04d}\n", encoding="utf-8")
    output.say(f"✅ Successfully created Migration '{path.name}'!")
    output.say("")
    output.say("The migration is available for editing here")
    output.data(str(path))
