"""Let the messages of a queue be pulled over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.queued import BatchSize, DeadLetters, QueueName, Retries, RetryDelay, add_consumer, consumer

EXAMPLES = """
wflow queues consumer http add jobs
wflow queues consumer http add jobs --visibility-timeout-secs 60 --message-retries 5
"""


def command(
    name: QueueName,
    *,
    batch_size: BatchSize = None,
    retries: Retries = None,
    dead_letters: DeadLetters = None,
    visibility: Annotated[
        int | None,
        typer.Option(
            "--visibility-timeout-secs",
            min=0,
            max=43_200,
            metavar="SECONDS",
            help="For how long a message that was pulled is nobody else's.",
        ),
    ] = None,
    retry_delay: RetryDelay = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    wanted = consumer(
        "http_pull",
        dead_letters,
        batch_size=batch_size,
        max_retries=retries,
        visibility_timeout_ms=None if visibility is None else visibility * 1000,
        retry_delay=retry_delay,
    )
    add_consumer(name, wanted, local=local, port=port, json=json)
