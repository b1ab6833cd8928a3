"""Terminate all instances of a workflow, or those in one status, and wait until it is done."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from wflow.cli import asking, output, remote
from wflow.cli.flags import Json, Local, LocalPort, Workflow, Yes
from wflow.errors import RunnerError

EXAMPLES = """
wflow workflows instances terminate-all my-workflow
wflow workflows instances terminate-all my-workflow --status queued --yes
"""

Status = Literal["queued", "running", "paused", "waitingForPause", "waiting"]


def command(
    name: Workflow,
    *,
    status: Annotated[Status | None, typer.Option("--status", help="Only those in this status.")] = None,
    yes: Yes = False,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    which = f"all instances of {name} that are {status}" if status else f"all instances of {name}"
    if not yes and not asking.confirmed(f"Terminate {which}?"):
        raise typer.Abort
    with remote.connect(local=local, port=port) as api:
        if api.instances.terminate_all(name, status=status):
            output.say(f"A job to terminate {which} has been started.")
        else:
            output.say(f"A job to terminate instances of {name} is already running; waiting for that one.")
        job = api.instances.terminated(name)
    if json:
        output.payload(job)
    elif job["status"] == "complete":
        output.data(f"{output.count(job['terminated'], 'instance')} of {name} terminated")
    if job["status"] != "complete":
        ended = output.count(job["terminated"], "instance")
        raise RunnerError(
            f"the job broke off after it had terminated {ended}", hint="the runner's log says why; try again"
        )
