"""Remove a key, whether it is there or not."""

from __future__ import annotations

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Config, Environment, Local, LocalPort
from wflow.cli.namespace import Binding, Key, NamespaceId, Remote

EXAMPLES = """
wflow kv key delete greeting --binding KV
"""


def command(
    key: Key,
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
    with remote.connect(local=local, port=port) as api:
        api.kv.remove(id_, key)
    output.say(f'Removed the key "{key}" of the namespace {id_}.')
