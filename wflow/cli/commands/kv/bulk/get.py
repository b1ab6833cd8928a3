"""Print the values of many keys as JSON; the keys are in a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Config, Environment, Local, LocalPort
from wflow.cli.namespace import Binding, NamespaceId, Remote

EXAMPLES = """
wflow kv bulk get keys.json --binding KV
"""

AT_ONCE = 100


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A JSON array of keys, or of objects with a `name`.")
    ],
    *,
    binding: Binding = None,
    namespace_id: NamespaceId = None,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
) -> None:
    namespace.check(local=local, to_remote=to_remote)
    id_ = namespace.meant(binding, namespace_id, environment=environment, config=config)
    keys = namespace.names_in(file)
    found: dict[str, object] = {}
    with remote.connect(local=local, port=port) as api:
        for begin in range(0, len(keys), AT_ONCE):
            found |= api.kv.get_many(id_, keys[begin : begin + AT_ONCE])
    output.payload({key: None if value is None else {"value": value} for key, value in found.items()})
