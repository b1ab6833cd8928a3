"""`/queues/{id}/consumers`: who gets the messages of a queue; there is one at the most."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bindings import queue_records as records
from wflow.bindings.queue import BATCH, DELAY_S
from wflow.bindings.queue_records import Consumer
from wflow.engine.names import HOUR_MS, MINUTE_MS
from wflow.errors import InvalidInput, QueueNotFound, QueueTaken, WorkerNotFound
from wflow.server import bodies, queueing
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.bindings.queue_records import Record

RETRIES: Final = 100
"""The most that a consumer may want a message to be delivered again."""
CONCURRENCY: Final = 250
"""The most batches that it may have handled at once."""
VISIBILITY_MS: Final = 12 * HOUR_MS
"""The longest time for which a message that was pulled is nobody else's."""
_FIELDS: Final = frozenset({"type", "script_name", "dead_letter_queue", "settings", "environment_name"})
_SETTINGS: Final = frozenset(
    {
        "batch_size",
        "max_concurrency",
        "max_retries",
        "max_wait_time_ms",
        "retry_delay",
        "visibility_timeout_ms",
    }
)


async def find(call: Call) -> Answer:
    """List the consumers of a queue."""
    record = await queueing.record(call)
    consumer = call.host.queues.consumer(record)
    return Answer(result=[] if consumer is None else [queueing.shown_consumer(record, consumer)])


async def get(call: Call) -> Answer:
    """Show one."""
    record, consumer = await _one(call)
    return Answer(result=queueing.shown_consumer(record, consumer))


async def create(call: Call) -> Answer:
    """Add the consumer of a queue that has none."""
    record = await queueing.record(call)
    if call.host.queues.consumer(record) is not None:
        raise QueueTaken(f"queue {record.name!r} has a consumer already", hint="remove that one first")
    body = bodies.fields(await bodies.json(call.request), _FIELDS)
    consumer = _changed(call, body, Consumer(id=secrets.token_hex(16), created_at=call.host.now()))
    return await _keep(call, record, consumer)


async def update(call: Call) -> Answer:
    """Change a consumer; what is not given stays as it is."""
    record, consumer = await _one(call)
    body = bodies.fields(await bodies.json(call.request), _FIELDS)
    return await _keep(call, record, _changed(call, body, consumer))


async def delete(call: Call) -> Answer:
    """Remove a consumer; one that a live version declares is back with the next version."""
    record, consumer = await _one(call)
    declared = call.host.queues.version(record.name)
    left = msgspec.structs.replace(consumer, removed=True, version=declared) if declared else None
    changed = msgspec.structs.replace(record, consumer=left, modified_at=call.host.now())
    await call.host.queues.keep(changed)
    return Answer()


async def _one(call: Call) -> tuple[Record, Consumer]:
    record = await queueing.record(call)
    consumer = call.host.queues.consumer(record)
    if consumer is None or consumer.id != call.part("consumer"):
        raise QueueNotFound(f"queue {record.name!r} has no such consumer")
    return record, consumer


async def _keep(call: Call, record: Record, consumer: Consumer) -> Answer:
    consumer = msgspec.structs.replace(consumer, version=call.host.queues.version(record.name))
    now = call.host.now()
    if consumer.dead_letter_queue:
        dead = await call.host.queues.find(records.id_of(consumer.dead_letter_queue))
        if dead is None:
            raise QueueNotFound(f"there is no queue {consumer.dead_letter_queue!r} for dead letters")
    changed = msgspec.structs.replace(record, consumer=consumer, modified_at=now)
    await call.host.queues.keep(changed)
    return Answer(result=queueing.shown_consumer(changed, consumer))


def _changed(call: Call, body: Mapping[str, object], before: Consumer) -> Consumer:
    kind = body.get("type", before.type)
    if kind not in {"worker", "http_pull"}:
        raise InvalidInput("`type` must be worker or http_pull")
    script = str(body.get("script_name", before.script)) if kind == "worker" else ""
    if kind == "worker" and all(worker.worker != script for worker in call.host.workers()):
        raise WorkerNotFound(f"there is no Worker {script!r} here")
    dead = body.get("dead_letter_queue", before.dead_letter_queue) or ""
    given = bodies.fields(body.get("settings") or {}, _SETTINGS)
    concurrency = given.get("max_concurrency", before.max_concurrency)
    return msgspec.structs.replace(
        before,
        type=kind,
        script=script,
        dead_letter_queue=records.queue_name(dead) if dead else "",
        batch_size=queueing.number(given, "batch_size", before.batch_size, (1, BATCH)),
        max_retries=queueing.number(given, "max_retries", before.max_retries, (0, RETRIES)),
        retry_delay=queueing.number(given, "retry_delay", before.retry_delay, (0, DELAY_S)),
        max_wait_time_ms=queueing.number(given, "max_wait_time_ms", before.max_wait_time_ms, (0, MINUTE_MS)),
        visibility_timeout_ms=queueing.number(
            given, "visibility_timeout_ms", before.visibility_timeout_ms, (0, VISIBILITY_MS)
        ),
        max_concurrency=None
        if concurrency is None
        else queueing.number({"max_concurrency": concurrency}, "max_concurrency", 1, (1, CONCURRENCY)),
    )


_ALL: Final = "/accounts/{account}/queues/{queue}/consumers"
_ONE: Final = f"{_ALL}/{{consumer}}"

routes = [
    Route("GET", _ALL, READ, find),
    Route("POST", _ALL, DEPLOY, create),
    Route("GET", _ONE, READ, get),
    Route("PUT", _ONE, DEPLOY, update),
    Route("DELETE", _ONE, DEPLOY, delete),
]
