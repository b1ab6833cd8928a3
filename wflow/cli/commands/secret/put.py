"""Set a secret of a Worker; its value is asked for unseen, or read from stdin."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import confided, output, remote, versions
from wflow.cli.flags import Config, Environment
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow secret put API_KEY
wflow secret put API_KEY -e staging < key.txt
"""


def command(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its name in `env`.")],
    *,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
) -> None:
    worker = versions.worker(name, config, environment)
    login = remote.login()
    text = confided.typed(key)
    with remote.connect_as(login) as api:
        api.secrets.put(worker, key, text)
    output.data(f"Success! Uploaded secret {key} for the Worker {worker}")
