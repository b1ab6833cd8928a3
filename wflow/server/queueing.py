"""Queues as the API shows them, and the numbers that it takes for them, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.errors import InvalidInput, QueueNotFound
from wflow.server import bodies
from wflow.wire.shown import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.bindings.queue_records import Consumer, Record
    from wflow.server.route import Call
    from wflow.stores.queues import Backlog
    from wflow.wire.shown import Shown


async def record(call: Call) -> Record:
    """Find the queue that the path names; raises QueueNotFound."""
    found = await call.host.queues.find(call.part("queue"))
    if found is None:
        raise QueueNotFound("Queue not found: there is none with that id")
    return found


def shown(call: Call, queue: Record) -> Shown:
    """Show a queue with those who send to it and consume it."""
    consumer = call.host.queues.consumer(queue)
    consumers = [] if consumer is None else [shown_consumer(queue, consumer)]
    producers = [{"type": "worker", "script": worker} for worker in call.host.queues.producers(queue.name)]
    return {
        "queue_id": queue.id,
        "queue_name": queue.name,
        "created_on": moment(queue.created_at),
        "modified_on": moment(queue.modified_at),
        "producers_total_count": len(producers),
        "producers": producers,
        "consumers_total_count": len(consumers),
        "consumers": consumers,
        "settings": {
            "delivery_delay": queue.settings.delivery_delay,
            "delivery_paused": queue.settings.delivery_paused,
            "message_retention_period": queue.settings.message_retention_period,
        },
    }


def shown_consumer(queue: Record, consumer: Consumer) -> Shown:
    """Show a consumer; the settings depend on its kind."""
    settings: Shown = {
        "batch_size": consumer.batch_size,
        "max_retries": consumer.max_retries,
        "retry_delay": consumer.retry_delay,
    }
    told: Shown = {
        "consumer_id": consumer.id,
        "created_on": moment(consumer.created_at),
        "queue_name": queue.name,
        "type": consumer.type,
        "dead_letter_queue": consumer.dead_letter_queue,
        "settings": settings,
    }
    if consumer.type == "worker":
        settings |= {
            "max_concurrency": consumer.max_concurrency,
            "max_wait_time_ms": consumer.max_wait_time_ms,
        }
        # The API's types know it by the first name, its documentation by the second.
        return {**told, "script_name": consumer.script, "script": consumer.script}
    settings["visibility_timeout_ms"] = consumer.visibility_timeout_ms
    return told


def shown_backlog(backlog: Backlog) -> Shown:
    """Show what is in a queue."""
    return {
        "backlog_count": backlog.messages,
        "backlog_bytes": backlog.bytes,
        "oldest_message_timestamp_ms": backlog.oldest_at or 0,
    }


def number(given: Mapping[str, object], name: str, usual: int, bounds: tuple[int, int]) -> int:
    """Take a whole number within bounds; what is not there, or null, is the usual one."""
    value = given.get(name)
    if value is None:
        return usual
    least, most = bounds
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInput(f"`{name}` must be a whole number from {least:,} to {most:,}")
    return value


def flag(given: Mapping[str, object], name: str, *, usual: bool) -> bool:
    """Take what is true or false."""
    value = given.get(name, usual)
    if not isinstance(value, bool):
        raise InvalidInput(f"`{name}` must be true or false, not {bodies.shown(value)}")
    return value


def listed(given: object, name: str) -> list[object]:
    """Take an array; null is an empty one."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise InvalidInput(f"`{name}` must be an array, not {bodies.shown(given)}")
    return given
