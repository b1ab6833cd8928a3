"""Make a queue."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.queued import DeliveryDelay, QueueName, Retention, settings

EXAMPLES = """
wflow queues create jobs
wflow queues create jobs --delivery-delay-secs 60 --message-retention-period-secs 3600
"""


def command(
    name: QueueName,
    *,
    delay: DeliveryDelay = None,
    retention: Retention = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        made = api.queues.create(name, settings(delay, retention))
    if json:
        output.payload(made)
        return
    output.data(f"Created queue '{name}'")
    output.say("To send to it, and to consume it, add to the config:")
    output.say(f'\n[[queues.producers]]\nbinding = "{name.upper().replace("-", "_")}"\nqueue = "{name}"')
    output.say(f'\n[[queues.consumers]]\nqueue = "{name}"')
