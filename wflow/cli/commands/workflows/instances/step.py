"""Print the whole output of a step, or of one attempt of it: as JSON, or as the bytes of a stream."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from wflow.cli import output, remote
from wflow.cli.flags import Instance, Json, Local, LocalPort, Workflow
from wflow.errors import RunnerError

EXAMPLES = """
wflow workflows instances step my-workflow order-1 charge-1
wflow workflows instances step my-workflow latest charge-2 --attempt 1 --json
"""

StepType = Literal["step", "sleep", "waitForEvent", "rollback"]


def command(
    name: Workflow,
    id: Instance,
    step: Annotated[
        str, typer.Argument(metavar="STEP", help="The step, with the number of its visit: charge-1.")
    ],
    *,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, metavar="N", help="Only this attempt of it.")
    ] = None,
    type: Annotated[StepType | None, typer.Option("--type", help="Only if it is of this kind.")] = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        found = api.instances.step(name, id, step, type_=type, attempt=attempt)
        if found.get("stream") and not json:
            with api.instances.step_bytes(name, id, step, attempt=attempt) as pieces:
                output.raw(pieces)
            return
    if json:
        output.payload(found)
        return
    if found["status"] == "complete":
        output.payload(found["output"])
        return
    what = f"step {step}" if attempt is None else f"attempt {attempt} of step {step}"
    error = found["error"]
    told = f": {error['name']}: {error['message']}" if error else ""
    trace = f"\n\n{error['trace'].rstrip()}" if error and error.get("trace") else ""
    raise RunnerError(f"{what} has no output, as it is {found['status']}{told}{trace}")
