"""Make a database on the runner."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote
from wflow.cli.flags import Json, Local, LocalPort

EXAMPLES = """
wflow d1 create app
wflow d1 create app --local --json
"""

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


def command(name: Name, *, local: Local = False, port: LocalPort = None, json: Json = False) -> None:
    with remote.connect(local=local, port=port) as api:
        made = api.d1.create(name)
    if json:
        return output.payload(made)
    output.say(f"✅ Successfully created DB '{name}'. To use it, have in the config:")
    output.data(f'[[d1_databases]]\nbinding = "DB"\ndatabase_name = "{name}"\ndatabase_id = "{made["uuid"]}"')
    return None
