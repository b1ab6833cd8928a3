"""Write a database as a file of SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli import database, output, remote
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Local, LocalPort, Yes
from wflow.errors import UsageError

EXAMPLES = """
wflow d1 export app --output app.sql
wflow d1 export DB --local --output schema.sql --no-data
wflow d1 export DB --local --output users.sql --table users --no-schema
"""

Output = Annotated[Path, typer.Option("--output", metavar="FILE", help="The file to write.")]
Tables = Annotated[
    list[str] | None, typer.Option("--table", metavar="NAME", help="Only this table; may be repeated.")
]
NoSchema = Annotated[bool, typer.Option("--no-schema", help="Only what is in the tables.")]
NoData = Annotated[bool, typer.Option("--no-data", help="Only what the tables are.")]


def command(
    name: Database,
    *,
    output_file: Output,
    table: Tables = None,
    no_schema: NoSchema = False,
    no_data: NoData = False,
    environment: Environment = None,
    yes: Yes = False,
    local: Local = False,
    port: LocalPort = None,
) -> None:
    del yes  # nobody is kept waiting meanwhile, so nothing is asked
    if no_schema and no_data:
        raise UsageError("`--no-schema` with `--no-data` leaves nothing to export")
    meant = database.meant(name, environment=environment)
    part = output_file.with_name(f"{output_file.name}.part")
    with remote.connect(local=local, port=port) as api:
        id_ = database.present(api, meant, local=local)
        output.say(f"🌀 Exporting {'local' if local else 'remote'} database {meant.name} ({id_}):")
        with (
            api.d1.export(id_, no_data=no_data, no_schema=no_schema, tables=table or ()) as pieces,
            part.open("wb") as file,
        ):
            for piece in pieces:
                file.write(piece)
    part.replace(output_file)
    output.say(f"Done! Written to {output_file}.")
