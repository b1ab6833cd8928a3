"""Terminate an instance: it ends now, and nothing of it runs again."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Instance, Json, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows instances terminate my-workflow order-1
"""


def command(
    name: Workflow, id: Instance, *, local: Local = False, port: LocalPort = None, json: Json = False
) -> None:
    with remote.connect(local=local, port=port) as api:
        after = api.instances.steer(name, id, "terminate")
    if json:
        output.payload(after)
    else:
        output.data(f'The instance "{id}" from {name} was terminated successfully')
