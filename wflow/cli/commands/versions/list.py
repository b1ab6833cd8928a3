"""List the last versions of a Worker, the newest at the end."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote, versions
from wflow.cli.flags import Config, Environment, Json
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow versions list
wflow versions list --name my-worker --all --json
"""


def command(
    *,
    every: Annotated[
        bool, typer.Option("--all", help=f"All that the runner keeps, not only the last {versions.LISTED}.")
    ] = False,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    worker = versions.worker(name, config, environment)
    with remote.connect() as api:
        found = api.scripts.versions(worker)
        live = [] if json else api.scripts.deployments(worker, per_page=1).items
    listed = (found if every else found[: versions.LISTED])[::-1]
    if json:
        output.payload(listed)
        return
    shares = versions.shares(live[0] if live else None)
    for number, version in enumerate(listed):
        if number:
            output.data("")
        output.fields(versions.facts(version, shares.get(version["id"])))
    if len(listed) < len(found):
        output.say(f"\nThese are the last {len(listed)} of {len(found):,}; `--all` lists all.")
