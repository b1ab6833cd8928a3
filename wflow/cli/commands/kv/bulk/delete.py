"""Remove many keys, which are in a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli import asking, namespace, output, remote
from wflow.cli.flags import Config, Environment, Local, LocalPort
from wflow.cli.namespace import Binding, NamespaceId, Remote

EXAMPLES = """
wflow kv bulk delete keys.json --binding KV -f
"""


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A JSON array of keys, or of objects with a `name`.")
    ],
    *,
    binding: Binding = None,
    namespace_id: NamespaceId = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Ask nothing.")] = False,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
) -> None:
    from wflow.client.kv import BULK_PAIRS

    namespace.check(local=local, to_remote=to_remote)
    id_ = namespace.meant(binding, namespace_id, environment=environment, config=config)
    keys = namespace.names_in(file)
    if not force and not asking.confirmed(f"Remove {output.count(len(keys), 'key')} of {id_}?"):
        output.say("Not removed.")
        return
    with remote.connect(local=local, port=port) as api:
        for begin in range(0, len(keys), BULK_PAIRS):
            api.kv.remove_many(id_, keys[begin : begin + BULK_PAIRS])
    output.say(f"Removed {output.count(len(keys), 'key')} of the namespace {id_}.")
