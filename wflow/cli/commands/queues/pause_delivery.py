"""Pause the delivery of messages to the consumer of a queue."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Local, LocalPort
from wflow.cli.queued import QueueName

EXAMPLES = """
wflow queues pause-delivery jobs
wflow queues pause-delivery jobs --local
"""


def command(name: QueueName, *, local: Local = False, port: LocalPort = None) -> None:
    with remote.connect(local=local, port=port) as api:
        api.queues.update(name, {"delivery_paused": True})
    output.data(f"Paused message delivery for queue {name}.")
