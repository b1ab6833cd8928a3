"""Delete a KV namespace with all its keys."""

from __future__ import annotations

from wflow.cli import asking, namespace, output, remote
from wflow.cli.flags import Config, Environment, Local, LocalPort, Yes
from wflow.cli.namespace import Binding, NamespaceId, Remote

EXAMPLES = """
wflow kv namespace delete --binding KV
wflow kv namespace delete --namespace-id 0f2ac74b498b48028cb68387c421e279 -y
"""


def command(
    *,
    binding: Binding = None,
    namespace_id: NamespaceId = None,
    yes: Yes = False,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
) -> None:
    namespace.check(local=local, to_remote=to_remote)
    id_ = namespace.meant(binding, namespace_id, environment=environment, config=config)
    with remote.connect(local=local, port=port) as api:
        output.say(f"About to delete the KV namespace {id_} with all its keys.")
        if not yes and not asking.confirmed("Ok to proceed?"):
            output.say("Not deleted.")
            return
        api.kv.delete(id_)
    output.say(f"Deleted the KV namespace {id_}.")
