"""Delete a secret of a Worker."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import asking, output, remote, versions
from wflow.cli.flags import Config, Environment, Yes
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow secret delete API_KEY
wflow secret delete API_KEY --name my-worker --yes
"""


def command(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its name in `env`.")],
    *,
    name: WorkerName = None,
    yes: Yes = False,
    environment: Environment = None,
    config: Config = None,
) -> None:
    worker = versions.worker(name, config, environment)
    question = f"Are you sure you want to permanently delete the secret {key} on the Worker {worker}?"
    if not yes and not asking.confirmed(question):
        raise typer.Abort
    with remote.connect() as api:
        api.secrets.delete(worker, key)
    output.data(f"Success! Deleted secret {key}")
