"""Print the value of a key, byte for byte."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Config, Environment, Local, LocalPort
from wflow.cli.namespace import Binding, Key, NamespaceId, Remote

EXAMPLES = """
wflow kv key get greeting --binding KV --text
wflow kv key get logo --binding KV > logo.png
"""


def command(
    key: Key,
    *,
    binding: Binding = None,
    namespace_id: NamespaceId = None,
    text: Annotated[bool, typer.Option("--text", help="End the line, for a person to read.")] = False,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
) -> None:
    namespace.check(local=local, to_remote=to_remote)
    id_ = namespace.meant(binding, namespace_id, environment=environment, config=config)
    with remote.connect(local=local, port=port) as api:
        if text:
            output.data(output.printable(b"".join(api.kv.get(id_, key)).decode(errors="replace")))
        else:
            output.raw(api.kv.get(id_, key))
