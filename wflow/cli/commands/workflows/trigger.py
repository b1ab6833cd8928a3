"""Start an instance of a workflow."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote, values
from wflow.cli.flags import Json, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows trigger my-workflow
wflow workflows trigger my-workflow '{"url": "https://example.com"}' --id order-1
"""


def command(
    name: Workflow,
    params: Annotated[
        str | None, typer.Argument(metavar="PARAMS", help="What `event.payload` holds, as JSON.")
    ] = None,
    *,
    id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The instance's id.", show_default="a random one")
    ] = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    payload = values.read("{}" if params is None else params, "the params")
    with remote.connect(local=local, port=port) as api:
        created = api.instances.create(name, payload, id_=id)
    if json:
        output.payload(created)
        return
    made = created["id"]
    output.data(f'Workflow instance "{made}" has been {created["status"]} successfully')
    where = remote.flags(local=local, port=port)
    output.say(f"`wflow workflows instances describe {name} {made}{where}` shows how it goes.")
