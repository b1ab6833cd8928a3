"""Restart an instance: from its beginning, or from a step, on the code that is deployed now."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from wflow.cli import remote, steering
from wflow.cli.flags import Instance, Json, Local, LocalPort, Workflow
from wflow.errors import UsageError

EXAMPLES = """
wflow workflows instances restart my-workflow order-1
wflow workflows instances restart my-workflow order-1 --from-step-name charge --from-step-count 2
"""

StepType = Literal["do", "sleep", "waitForEvent"]


def command(
    name: Workflow,
    id: Instance,
    *,
    from_step_name: Annotated[
        str | None,
        typer.Option(
            "--from-step-name", metavar="STEP", help="Keep what lies before this step: its name, no number."
        ),
    ] = None,
    from_step_count: Annotated[
        int | None,
        typer.Option(
            "--from-step-count",
            min=1,
            metavar="N",
            help="Which visit of it: 2 is charge-2.",
            show_default="1",
        ),
    ] = None,
    from_step_type: Annotated[
        StepType | None, typer.Option("--from-step-type", help="Its kind, if that is in doubt.")
    ] = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    if from_step_name is None and (from_step_count is not None or from_step_type is not None):
        raise UsageError(
            "`--from-step-count` and `--from-step-type` are about a step", hint="name it: `--from-step-name`"
        )
    with remote.connect(local=local, port=port) as api:
        after = api.instances.restart(
            name, id, name=from_step_name, count=from_step_count, type_=from_step_type
        )
    steering.tell(name, id, after, "restarted successfully", json=json)
