"""Give a KV namespace another title."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Local, LocalPort
from wflow.cli.namespace import NamespaceId, Remote
from wflow.errors import UsageError

EXAMPLES = """
wflow kv namespace rename sessions --new-name visits
wflow kv namespace rename --namespace-id 0f2ac74b498b48028cb68387c421e279 --new-name visits
"""


def command(
    title: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Its title so far.")] = None,
    *,
    namespace_id: NamespaceId = None,
    new_name: Annotated[str, typer.Option("--new-name", metavar="NAME", help="Its title from now on.")],
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
) -> None:
    if (title is None) == (namespace_id is None):
        raise UsageError("say which namespace: its title, or `--namespace-id ID`")
    namespace.check(local=local, to_remote=to_remote)
    with remote.connect(local=local, port=port) as api:
        id_ = namespace_id or namespace.titled(api, title or "")
        api.kv.rename(id_, new_name)
    output.say(f'The namespace {id_} is called "{new_name}" now.')
