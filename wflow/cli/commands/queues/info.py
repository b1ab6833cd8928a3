"""Show a queue: who sends to it, who consumes it, and what is in it."""

from __future__ import annotations

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.queued import QueueName, named

EXAMPLES = """
wflow queues info jobs
wflow queues info jobs --local --json
"""


def command(name: QueueName, *, local: Local = False, port: LocalPort = None, json: Json = False) -> None:
    with remote.connect(local=local, port=port) as api:
        queue, metrics = api.queues.get(name), api.queues.metrics(name)
    if json:
        output.payload({**queue, "metrics": metrics})
        return
    producers = [f"worker:{each['script']}" for each in queue["producers"]]
    settings = queue["settings"]
    output.fields(
        [
            ("Queue Name", queue["queue_name"]),
            ("Queue ID", queue["queue_id"]),
            ("Created On", when.local(queue["created_on"])),
            ("Last Modified", when.local(queue["modified_on"])),
            ("Number of Producers", str(len(producers))),
            *([("Producers", ", ".join(producers))] if producers else []),
            ("Number of Consumers", str(len(queue["consumers"]))),
            *([("Consumers", ", ".join(map(named, queue["consumers"])))] if queue["consumers"] else []),
            ("Delivery", "paused" if settings["delivery_paused"] else "on"),
            ("Delivery Delay", f"{settings['delivery_delay']} s"),
            ("Message Retention", f"{settings['message_retention_period']} s"),
            ("Backlog", f"{metrics['backlog_count']:,} messages, {metrics['backlog_bytes']:,} bytes"),
        ]
    )
