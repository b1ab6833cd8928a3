"""List the consumers of a queue."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.queued import QueueName, named

EXAMPLES = """
wflow queues consumer list jobs
wflow queues consumer list jobs --json
"""


def command(name: QueueName, *, local: Local = False, port: LocalPort = None, json: Json = False) -> None:
    with remote.connect(local=local, port=port) as api:
        consumers = api.queues.get(name)["consumers"]
    if json:
        output.payload(consumers)
    elif consumers:
        output.table(
            ("id", "consumer", "batch size", "retries", "dead letter queue"),
            [
                (
                    each["consumer_id"],
                    named(each),
                    str(each["settings"]["batch_size"]),
                    str(each["settings"]["max_retries"]),
                    each["dead_letter_queue"],
                )
                for each in consumers
            ],
        )
    else:
        output.say(f"Queue {name} has no consumer. `wflow queues consumer add` adds one.")
