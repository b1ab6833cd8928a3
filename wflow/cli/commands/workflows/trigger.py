"""Start an instance of a workflow."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote, values
from wflow.cli.flags import Json, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows trigger my-workflow
wflow workflows trigger my-workflow '{"url": "https://example.com"}' --id order-1
wflow workflows trigger my-workflow --tag vip --tag eu --error-retention "30 days"
wflow workflows trigger my-workflow '{"url": "https://example.com"}' --priority 1
"""


Id = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="The instance's id.", show_default="a random one")
]
Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag of it; may be repeated.")]
Priority = Annotated[
    int | None,
    typer.Option(
        "--priority",
        metavar="NUMBER",
        help="When it goes of those that wait for a slot: 1 first, 5 last.",
        show_default="3",
    ),
]
SuccessRetention = Annotated[
    str | None,
    typer.Option(
        "--success-retention",
        metavar="DURATION",
        help='How long it is kept once it is complete: "7 days".',
        show_default="the workflow's",
    ),
]
ErrorRetention = Annotated[
    str | None,
    typer.Option(
        "--error-retention",
        metavar="DURATION",
        help="How long it is kept once it has failed.",
        show_default="the workflow's",
    ),
]


def command(
    name: Workflow,
    params: Annotated[
        str | None, typer.Argument(metavar="PARAMS", help="What `event.payload` holds, as JSON.")
    ] = None,
    *,
    id: Id = None,
    tag: Tag = None,
    priority: Priority = None,
    success_retention: SuccessRetention = None,
    error_retention: ErrorRetention = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    payload = values.read("{}" if params is None else params, "the params")
    with remote.connect(local=local, port=port) as api:
        created = api.instances.create(
            name,
            payload,
            id_=id,
            tags=tag or (),
            success_retention=success_retention,
            error_retention=error_retention,
            priority=priority,
        )
    if json:
        output.payload(created)
        return
    made = created["id"]
    output.data(f'Workflow instance "{made}" has been {created["status"]} successfully')
    where = remote.flags(local=local, port=port)
    output.say(f"`wflow workflows instances describe {name} {made}{where}` shows how it goes.")
