"""End that the messages of a queue are pulled over HTTP."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Local, LocalPort
from wflow.cli.queued import QueueName

EXAMPLES = """
wflow queues consumer http remove jobs
"""


def command(name: QueueName, *, local: Local = False, port: LocalPort = None) -> None:
    with remote.connect(local=local, port=port) as api:
        api.queues.remove_consumer(name, "http_pull")
    output.data(f"Removed consumer from queue {name}.")
