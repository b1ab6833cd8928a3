"""Put many values: a JSON file of objects with `key`, `value`, and what else `kv key put` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Config, Environment, Local, LocalPort
from wflow.cli.namespace import Binding, NamespaceId, Remote

EXAMPLES = """
wflow kv bulk put pairs.json --binding KV
"""


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JSON array of pairs.")],
    *,
    binding: Binding = None,
    namespace_id: NamespaceId = None,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
) -> None:
    from wflow.client.kv import BULK_PAIRS

    namespace.check(local=local, to_remote=to_remote)
    id_ = namespace.meant(binding, namespace_id, environment=environment, config=config)
    pairs = namespace.json_of(file)
    with remote.connect(local=local, port=port) as api:
        for begin in range(0, len(pairs), BULK_PAIRS):
            api.kv.put_many(id_, pairs[begin : begin + BULK_PAIRS])
    output.say(f"Put {output.count(len(pairs), 'key')} into the namespace {id_}.")
