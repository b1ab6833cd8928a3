"""Delete a queue with its messages."""

from __future__ import annotations

import typer

from wflow.cli import asking, output, remote
from wflow.cli.flags import Local, LocalPort, Yes
from wflow.cli.queued import QueueName

EXAMPLES = """
wflow queues delete jobs
wflow queues delete jobs --yes
"""


def command(name: QueueName, *, yes: Yes = False, local: Local = False, port: LocalPort = None) -> None:
    question = f"Are you sure you want to delete the queue {name} with all its messages?"
    if not yes and not asking.confirmed(question):
        raise typer.Abort
    with remote.connect(local=local, port=port) as api:
        api.queues.delete(name)
    output.data(f"Deleted queue {name}.")
