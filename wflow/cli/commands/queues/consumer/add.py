"""Add a Worker as the consumer of a queue."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli.flags import Json, Local, LocalPort
from wflow.cli.queued import (
    BatchSize,
    DeadLetters,
    QueueName,
    Retries,
    RetryDelay,
    ScriptName,
    add_consumer,
    consumer,
)

EXAMPLES = """
wflow queues consumer add jobs my-worker
wflow queues consumer add jobs my-worker --batch-size 25 --batch-timeout 10 --message-retries 5
"""


def command(
    name: QueueName,
    script: ScriptName,
    *,
    batch_size: BatchSize = None,
    batch_timeout: Annotated[
        int | None,
        typer.Option("--batch-timeout", min=0, max=60, metavar="SECONDS", help="How long a batch may wait."),
    ] = None,
    retries: Retries = None,
    dead_letters: DeadLetters = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--max-concurrency", min=1, max=250, metavar="N", help="How many batches are handled at once."
        ),
    ] = None,
    retry_delay: RetryDelay = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    wanted = consumer(
        "worker",
        dead_letters,
        script_name=script,
        batch_size=batch_size,
        max_wait_time_ms=None if batch_timeout is None else batch_timeout * 1000,
        max_retries=retries,
        max_concurrency=concurrency,
        retry_delay=retry_delay,
    )
    add_consumer(name, wanted, local=local, port=port, json=json)
