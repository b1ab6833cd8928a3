"""List the names of a Worker's secrets."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from wflow.cli import output, remote, versions
from wflow.cli.flags import Config, Environment, Json
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow secret list
wflow secret list --name my-worker --format pretty
"""


def command(
    *,
    name: WorkerName = None,
    format_: Annotated[
        Literal["json", "pretty"], typer.Option("--format", help="How to print them.")
    ] = "json",
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    worker = versions.worker(name, config, environment)
    with remote.connect() as api:
        found = api.secrets.list(worker)
    if json or format_ == "json":
        output.payload(found)
        return
    for each in found:
        output.data(f"Secret Name: {each['name']}")
    if not found:
        output.say(f"The Worker {worker} has no secrets. `wflow secret put KEY` sets one.")
