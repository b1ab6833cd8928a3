"""Remove a Worker as the consumer of a queue."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Local, LocalPort
from wflow.cli.queued import QueueName, ScriptName

EXAMPLES = """
wflow queues consumer remove jobs my-worker
wflow queues consumer remove jobs my-worker --local
"""


def command(name: QueueName, script: ScriptName, *, local: Local = False, port: LocalPort = None) -> None:
    with remote.connect(local=local, port=port) as api:
        api.queues.remove_consumer(name, "worker", script)
    output.data(f"Removed consumer from queue {name}.")
