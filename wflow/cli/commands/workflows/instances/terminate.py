"""Terminate an instance: it ends now, and nothing of it runs again."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import remote, steering
from wflow.cli.flags import Instance, Json, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows instances terminate my-workflow order-1
wflow workflows instances terminate my-workflow order-1 --rollback
"""


def command(
    name: Workflow,
    id: Instance,
    *,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="First run the rollbacks of its steps, the last step's first.")
    ] = False,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        after = api.instances.steer(name, id, "terminate", rollback=rollback)
    over = after["status"] == "terminated"
    done = "terminated successfully" if over else "asked to roll back its steps and to terminate"
    steering.tell(name, id, after, done, json=json)
