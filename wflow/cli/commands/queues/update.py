"""Change the settings of a queue."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.queued import DeliveryDelay, QueueName, Retention, settings
from wflow.errors import UsageError

EXAMPLES = """
wflow queues update jobs --delivery-delay-secs 0
wflow queues update jobs --message-retention-period-secs 86400
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
    changes = settings(delay, retention)
    if not changes:
        raise UsageError(
            "nothing to change", hint="`--delivery-delay-secs N`, `--message-retention-period-secs N`"
        )
    with remote.connect(local=local, port=port) as api:
        changed = api.queues.update(name, changes)
    if json:
        output.payload(changed)
    else:
        output.data(f"Updated queue {name}.")
