"""`/queues/{id}/messages`: send messages, and pull them from a queue whose consumer is `http_pull`."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from wflow.bindings import _queue_served as served
from wflow.bindings import queue as sending
from wflow.bindings import queue_records as records
from wflow.engine import names
from wflow.errors import InvalidInput
from wflow.server import bodies, queueing
from wflow.server.route import Answer, Call, Route
from wflow.server.routes.queues_consumers import VISIBILITY_MS
from wflow.server.scopes import DEPLOY, READ
from wflow.stores.queues import Dead, Handled

if TYPE_CHECKING:
    from wflow.bindings.queue_records import Consumer, Record
    from wflow.stores.queues import Leased, Message
    from wflow.wire.shown import Shown

PULLED: Final = 5
"""Messages of one pull, unless it asks for more."""
ACKED: Final = 1_000
"""Leases that one request may speak of."""
_MESSAGE: Final = frozenset({"body", "content_type", "delay_seconds"})
_LEASE = re.compile(r"([0-9a-f]{1,15})-([0-9a-f]{1,8})")


async def push(call: Call) -> Answer:
    """Send one message."""
    record = await queueing.record(call)
    body = bodies.fields(await bodies.json(call.request), _MESSAGE)
    return await _send(call, [_message(call, record, body, None)])


async def push_batch(call: Call) -> Answer:
    """Send up to 100 messages, all or none."""
    record = await queueing.record(call)
    body = bodies.fields(await bodies.json(call.request), frozenset({"messages", "delay_seconds"}))
    given = queueing.listed(body.get("messages"), "messages")
    delay = body.get("delay_seconds")
    messages = [_message(call, record, bodies.fields(each, _MESSAGE), delay) for each in given]
    sending.check_batch([len(one.body) for one in messages])
    return await _send(call, messages)


async def pull(call: Call) -> Answer:
    """Lease messages; whoever has a lease acknowledges it, or asks for the message to be delivered again."""
    record, consumer = await _pulled(call)
    body = bodies.fields(
        await bodies.json(call.request, empty={}), frozenset({"batch_size", "visibility_timeout_ms"})
    )
    limit = queueing.number(body, "batch_size", PULLED, (1, sending.BATCH))
    lasts = queueing.number(body, "visibility_timeout_ms", consumer.visibility_timeout_ms, (0, VISIBILITY_MS))
    now = call.host.now()
    leased: list[Leased] = []
    if not record.settings.delivery_paused:
        leased = await call.host.store.queues.lease(
            record.id,
            limit=limit,
            now=now,
            until=now + lasts,
            attempts=consumer.max_retries + 1,
            dead=await _dead(call, consumer),
        )
    backlog = await call.host.store.queues.backlog(record.id)
    metrics = queueing.shown_backlog(backlog)
    return Answer(
        result={
            "message_backlog_count": backlog.messages,
            "messages": [_shown(one, "lease_id") for one in leased],
            "metadata": {"metrics": metrics},
        }
    )


async def ack(call: Call) -> Answer:
    """Acknowledge messages, and have others delivered again; late is not too late while they are there."""
    record, consumer = await _pulled(call)
    body = bodies.fields(await bodies.json(call.request), frozenset({"acks", "retries"}))
    acks = [_lease(each, frozenset({"lease_id"})) for each in queueing.listed(body.get("acks"), "acks")]
    given = queueing.listed(body.get("retries"), "retries")
    retries = [_lease(each, frozenset({"lease_id", "delay_seconds"})) for each in given]
    if len(acks) + len(retries) > ACKED:
        raise InvalidInput(f"one request speaks of {ACKED:,} leases at the most")
    now, dead = call.host.now(), await _dead(call, consumer)
    handled = [Handled(number=number, attempts=attempts) for _, number, attempts, _ in acks]
    for _, number, attempts, delay in retries:
        is_over = attempts > consumer.max_retries
        later = consumer.retry_delay if delay is None else delay
        handled.append(
            Handled(
                number=number,
                attempts=attempts,
                due_at=now if is_over else now + later * names.SECOND_MS,
                dead=dead if is_over else None,
            )
        )
    told = await call.host.store.queues.settle(record.id, handled) if handled else []
    ids = [each[0] for each in (*acks, *retries)]
    lost = {id_: "the lease is over" for id_, good in zip(ids, told, strict=True) if not good}
    counts = {"ackCount": sum(told[: len(acks)]), "retryCount": sum(told[len(acks) :])}
    return Answer(result={**counts, "warnings": lost})


async def peek(call: Call) -> Answer:
    """Show the next messages, without leasing any."""
    record = await queueing.record(call)
    body = bodies.fields(await bodies.json(call.request, empty={}), frozenset({"batch_size"}))
    limit = queueing.number(body, "batch_size", PULLED, (1, sending.BATCH))
    found = await call.host.store.queues.peek(record.id, limit=limit)
    return Answer(result={"messages": [_shown(one, "ref") for one in found]})


async def remove(call: Call) -> Answer:
    """Delete messages that were peeked at, whoever has them by now."""
    record = await queueing.record(call)
    body = bodies.fields(await bodies.json(call.request), frozenset({"refs"}))
    given = queueing.listed(body.get("refs"), "refs")
    refs = [_lease(each, frozenset({"ref"}), "ref") for each in given]
    if len(refs) > ACKED:
        raise InvalidInput(f"one request speaks of {ACKED:,} messages at the most")
    handled = [Handled(number=number, attempts=attempts) for _, number, attempts, _ in refs]
    told = await call.host.store.queues.settle(record.id, handled) if handled else []
    lost = {ref[0]: "there is no such message" for ref, good in zip(refs, told, strict=True) if not good}
    return Answer(result={"errors": [], "warnings": lost})


async def _send(call: Call, messages: list[Message]) -> Answer:
    backlog = await served.send(call.host, messages)
    return Answer(result={"metadata": {"metrics": queueing.shown_backlog(backlog)}})


def _message(call: Call, record: Record, body: dict[str, object], delay: object) -> Message:
    if "body" not in body:
        raise InvalidInput("a message has a `body`")
    kind, content = body.get("content_type") or "json", body["body"]
    if kind == "bytes":
        content = _bytes(content)
    elif kind not in {"json", "text"}:
        raise InvalidInput("`content_type` must be json, text or bytes (in Base64)")
    own = body.get("delay_seconds")
    raw = sending.written(kind, content)
    return served.message(record, call.host.now(), kind, raw, delay=delay if own is None else own)


def _bytes(given: object) -> bytes:
    try:
        return base64.b64decode(given if isinstance(given, str) else "!", validate=True)
    except ValueError:
        raise InvalidInput("a `body` of type bytes must be text in Base64") from None


async def _pulled(call: Call) -> tuple[Record, Consumer]:
    record = await queueing.record(call)
    consumer = call.host.queues.consumer(record)
    if consumer is None or consumer.type != "http_pull":
        raise InvalidInput(
            f"queue {record.name!r} has no consumer that pulls",
            hint='`wflow queues consumer http add`, or `type = "http_pull"` in the config',
        )
    return record, consumer


async def _dead(call: Call, consumer: Consumer) -> Dead:
    if not consumer.dead_letter_queue:
        return Dead(queue=None)
    now = call.host.now()
    queue = await records.named(call.host.store, consumer.dead_letter_queue, now)
    kept_ms = queue.settings.message_retention_period * names.SECOND_MS
    return Dead(queue=queue.id, expires_at=now + kept_ms)


def _shown(one: Leased, named: str) -> Shown:
    # As Cloudflare does it: text as it is, anything else in Base64.
    text = one.content_type == "text"
    return {
        "id": one.id,
        "body": one.body.decode(errors="replace") if text else base64.b64encode(one.body).decode(),
        "attempts": one.attempts,
        "timestamp_ms": one.at,
        named: f"{one.number:x}-{one.attempts:x}",
        "metadata": {"CF-sourceMessageSource": "worker", "CF-Content-Type": one.content_type},
    }


def _lease(given: object, known: frozenset[str], key: str = "lease_id") -> tuple[str, int, int, int | None]:
    """Read a lease: its id, the message's number, its attempts, and the delay that is asked for."""
    body = bodies.fields(given, known)
    id_ = bodies.text(body, key)
    found = _LEASE.fullmatch(id_)
    if found is None:
        raise InvalidInput(f"{id_[:40]!r} is no `{key}`")
    delay = None
    if body.get("delay_seconds") is not None:
        delay = queueing.number(body, "delay_seconds", 0, (0, sending.DELAY_S))
    return id_, int(found[1], 16), int(found[2], 16), delay


_ALL: Final = "/accounts/{account}/queues/{queue}/messages"

routes = [
    Route("POST", _ALL, DEPLOY, push),
    Route("POST", f"{_ALL}/batch", DEPLOY, push_batch),
    Route("POST", f"{_ALL}/peek", READ, peek),
    Route("POST", f"{_ALL}/purge", DEPLOY, remove),
    Route("POST", f"{_ALL}/pull", DEPLOY, pull),
    Route("POST", f"{_ALL}/ack", DEPLOY, ack),
]
