"""What the commands of queues share: their arguments, and how a consumer is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wflow.cli import output, remote

if TYPE_CHECKING:
    from collections.abc import Mapping

QueueName = Annotated[str, typer.Argument(metavar="NAME", help="The queue's name.")]
ScriptName = Annotated[str, typer.Argument(metavar="SCRIPT", help="The Worker's name.")]
DeliveryDelay = Annotated[
    int | None,
    typer.Option(
        "--delivery-delay-secs",
        min=0,
        max=86_400,
        metavar="SECONDS",
        help="How long a message waits before it is delivered.",
    ),
]
Retention = Annotated[
    int | None,
    typer.Option(
        "--message-retention-period-secs",
        min=60,
        max=1_209_600,
        metavar="SECONDS",
        help="How long a message is kept that nobody acknowledges; else 4 days.",
    ),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, max=100, metavar="N", help="Messages of one batch.")
]
Retries = Annotated[
    int | None,
    typer.Option(
        "--message-retries", min=0, max=100, metavar="N", help="How often a message is delivered again."
    ),
]
DeadLetters = Annotated[
    str | None,
    typer.Option("--dead-letter-queue", metavar="NAME", help="Where messages go that were tried in vain."),
]
RetryDelay = Annotated[
    int | None,
    typer.Option(
        "--retry-delay-secs",
        min=0,
        max=86_400,
        metavar="SECONDS",
        help="How long a message waits before it is delivered again.",
    ),
]


def settings(delay: int | None, retention: int | None) -> dict[str, object]:
    """Write what is given of a queue's settings."""
    given = {"delivery_delay": delay, "message_retention_period": retention}
    return {name: value for name, value in given.items() if value is not None}


def consumer(
    kind: str, dead_letters: str | None, *, script_name: str | None = None, **given: int | None
) -> dict[str, object]:
    """Write a consumer with those of its settings that are given."""
    wanted: dict[str, object] = {
        "type": kind,
        "settings": {name: value for name, value in given.items() if value is not None},
    }
    if dead_letters:
        wanted["dead_letter_queue"] = dead_letters
    if script_name is not None:
        wanted["script_name"] = script_name
    return wanted


def named(each: Mapping[str, object]) -> str:
    """Name a consumer."""
    return f"worker:{each['script_name']}" if each["type"] == "worker" else "HTTP Pull Consumer"


def add_consumer(
    name: str, wanted: Mapping[str, object], *, local: bool, port: int | None, json: bool
) -> None:
    """Add a consumer to the queue ``name``, and tell."""
    with remote.connect(local=local, port=port) as api:
        added = api.queues.add_consumer(name, wanted)
    if json:
        output.payload(added)
    else:
        output.data(f"Added consumer to queue {name}.")
