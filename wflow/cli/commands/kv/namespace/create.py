"""Create a KV namespace, and show what to write into the config."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.namespace import Remote

EXAMPLES = """
wflow kv namespace create sessions
wflow kv namespace create sessions --binding KV
"""


def command(
    title: Annotated[str, typer.Argument(metavar="NAME", help="Its title, which no other one has.")],
    *,
    binding: Annotated[
        str, typer.Option("--binding", metavar="NAME", help="The binding to show in the config.")
    ] = "KV",
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    namespace.check(local=local, to_remote=to_remote)
    with remote.connect(local=local, port=port) as api:
        made = api.kv.create(title)
    if json:
        output.payload(made)
        return
    output.say(f'Created the namespace "{title}". To use it, write into the config:')
    output.data(f'kv_namespaces = [{{ binding = "{binding}", id = "{made["id"]}" }}]')
