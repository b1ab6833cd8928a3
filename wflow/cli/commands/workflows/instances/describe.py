"""Describe an instance: how it goes, its steps, their attempts and outputs."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import instance, output, remote
from wflow.cli.flags import Json, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows instances describe my-workflow
wflow workflows instances describe my-workflow order-1 --no-step-output
wflow workflows instances describe my-workflow latest --local --json
"""


def command(
    name: Workflow,
    id: Annotated[
        str, typer.Argument(metavar="ID", help="The instance's id; `latest` is the newest one.")
    ] = "latest",
    *,
    step_output: Annotated[
        bool, typer.Option("--step-output/--no-step-output", help="Print what the steps returned.")
    ] = True,
    truncate_output_limit: Annotated[
        int,
        typer.Option(
            "--truncate-output-limit", min=0, metavar="N", help="Characters of a step's output to print."
        ),
    ] = 5_000,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        found = api.instances.get(name, id)
    if json:
        output.payload(found)
    else:
        instance.show(name, found, outputs=truncate_output_limit if step_output else None)
