"""Fire a cron or a schedule now, whenever it would fire by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote, versions, when
from wflow.cli.flags import Config, Environment, Json, Local, LocalPort
from wflow.cli.versions import WorkerName
from wflow.errors import UsageError

EXAMPLES = """
wflow cron run --local
wflow cron run "0 3 * * *"
wflow cron run "0 3 * * *" --workflow nightly-report --time 2026-11-22T03:00:00Z
"""


def command(
    cron: Annotated[
        str | None,
        typer.Argument(metavar="CRON", help="Which one; not needed when there is one.", show_default=False),
    ] = None,
    *,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", metavar="NAME", help="A schedule of this workflow, not the Worker's."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="WHEN", help="The instant it is told.", show_default="now"),
    ] = None,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    at = None if time is None else _milliseconds(time)
    worker = versions.worker(name, config, environment)
    with remote.connect(local=local, port=port) as api:
        told = api.scripts.fire(worker, cron, workflow=workflow, at=at)
    if json:
        output.payload(told)
    elif told["outcome"] != "ok":
        error = told["error"]
        output.say(f'"{told["cron"]}": scheduled() failed: {error["name"]}: {error["message"]}')
    elif workflow is None:
        output.say(f'"{told["cron"]}": scheduled() is done.')
    else:
        output.say(f'"{told["cron"]}": created instance {told["id"]!r} of {workflow}.')
    if told["outcome"] != "ok":
        raise typer.Exit(1)


def _milliseconds(text: str) -> int:
    found = when.read(text)
    if found is None:
        raise UsageError(f"`--time {text}` is no time", hint="say it as 2026-11-22T03:00:00Z")
    return round(found.timestamp() * 1000)
