"""List the KV namespaces as JSON."""

from __future__ import annotations

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.namespace import Remote

EXAMPLES = """
wflow kv namespace list
wflow kv namespace list --local
"""


def command(
    *, local: Local = False, to_remote: Remote = False, port: LocalPort = None, json: Json = True
) -> None:
    del json  # as wrangler does
    namespace.check(local=local, to_remote=to_remote)
    with remote.connect(local=local, port=port) as api:
        output.payload(api.kv.list())
