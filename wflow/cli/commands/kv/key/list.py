"""List the keys of a namespace as JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Config, Environment, Json, Local, LocalPort
from wflow.cli.namespace import Binding, NamespaceId, Remote

EXAMPLES = """
wflow kv key list --binding KV
wflow kv key list --binding KV --prefix user: --local
"""


def command(
    *,
    binding: Binding = None,
    namespace_id: NamespaceId = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="Only those that begin with it.")
    ] = "",
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
    json: Json = True,
) -> None:
    del json  # as wrangler does
    namespace.check(local=local, to_remote=to_remote)
    id_ = namespace.meant(binding, namespace_id, environment=environment, config=config)
    with remote.connect(local=local, port=port) as api:
        output.payload(api.kv.keys(id_, prefix=prefix))
