"""Send an event to an instance, which may be waiting for it."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote, values
from wflow.cli.flags import Instance, Json, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows instances send-event my-workflow order-1 --type paid
wflow workflows instances send-event my-workflow latest --type paid --payload '{"amount": 12}'
"""


def command(
    name: Workflow,
    id: Instance,
    *,
    type: Annotated[str, typer.Option("--type", metavar="TYPE", help="The event's type.")],
    payload: Annotated[
        str, typer.Option("--payload", metavar="JSON", help="What the instance receives.")
    ] = "{}",
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    read = values.read(payload, "the payload")
    with remote.connect(local=local, port=port) as api:
        sent = api.instances.send_event(name, id, type, read)
    if json:
        output.payload(sent)
        return
    to = sent.get("instanceId", id)
    output.data(
        f'The event with type "{type}" and payload "{payload}" was sent to the instance "{to}" from {name}'
    )
