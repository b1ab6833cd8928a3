"""Resume an instance that is paused; its timers go on where they were."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import remote, steering
from wflow.cli.flags import Instance, Json, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows instances resume my-workflow order-1
wflow workflows instances resume my-workflow order-1 --accept
"""


def command(
    name: Workflow,
    id: Instance,
    *,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Take code that does not ask for the recorded step that it is held for."
        ),
    ] = False,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        after = api.instances.steer(name, id, "resume", accept=accept)
    steering.tell(name, id, after, steering.RESUMED, json=json)
