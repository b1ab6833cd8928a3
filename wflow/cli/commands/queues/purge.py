"""Delete all messages of a queue."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import asking, output, remote
from wflow.cli.flags import Local, LocalPort, Yes
from wflow.cli.queued import QueueName

EXAMPLES = """
wflow queues purge jobs
wflow queues purge jobs --force
"""


def command(
    name: QueueName,
    *,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    yes: Yes = False,
    local: Local = False,
    port: LocalPort = None,
) -> None:
    question = f"This operation will permanently delete all the messages in queue {name}. Go on?"
    if not (force or yes or asking.confirmed(question)):
        raise typer.Abort
    with remote.connect(local=local, port=port) as api:
        api.queues.purge(name)
    output.data(f"Purged queue '{name}'")
