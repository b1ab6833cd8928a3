"""Set several secrets of a Worker at once, from JSON or `.env` lines; null in JSON deletes one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli import confided, output, remote, versions
from wflow.cli.flags import Config, Environment
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow secret bulk secrets.json
wflow secret bulk .env.production -e production
echo '{"API_KEY": "...", "OLD_KEY": null}' | wflow secret bulk
"""


def command(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The file; without one stdin is read.")
    ] = None,
    *,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
) -> None:
    worker = versions.worker(name, config, environment)
    login = remote.login()
    changes = confided.several(file)
    with remote.connect_as(login) as api:
        api.secrets.change(worker, changes)
    for key, text in changes.items():
        output.data(f"Successfully {'deleted' if text is None else 'created'} secret for key: {key}")
    kept = sum(text is not None for text in changes.values())
    output.data(f"{output.count(kept, 'secret')} successfully uploaded")
