"""The provider's half of queues: messages are made, kept, and counted."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from wflow.bindings import queue_records as records
from wflow.bindings.queue import CONTENT_TYPES, check_batch, check_size, seconds
from wflow.engine import names
from wflow.errors import InvalidInput, TooMany
from wflow.stores.queues import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.binding import Called
    from wflow.bindings.control import Control
    from wflow.bindings.queue_records import Record
    from wflow.stores.queues import Backlog


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the queue that ``target`` names, which may say as well how long its messages wait."""
    name, _, held_back = target.partition("#")
    usual = int(held_back) if held_back else None
    record = await records.named(control.store, name, control.now())
    match call.method, call.arguments:
        case "send", [list(given)]:
            messages = [
                message(record, control.now(), kind, body, delay=usual if delay is None else delay)
                for kind, body, delay in given
            ]
            check_batch([len(one.body) for one in messages])
            held = control.effects(call)
            if held is None:
                return {"metadata": {"metrics": shown(await send(control, messages))}}
            held.send(messages)
            return {"metadata": {"metrics": shown(await control.store.queues.backlog(record.id))}}
        case "metrics", []:
            return shown(await control.store.queues.backlog(record.id))
    raise InvalidInput(f"a queue has no method {call.method!r} with {len(call.arguments)} arguments")


async def send(control: Control, messages: Sequence[Message]) -> Backlog:
    """Keep messages of one queue; give its backlog. Raises TooMany when the queue or the disk has no room."""
    if control.store.pressure.share >= 1:
        raise TooMany("Too Many Requests: the disk is behind")
    return (await control.store.queues.send(messages))[messages[0].queue]


def message(record: Record, now: int, kind: object, body: object, *, delay: object = None) -> Message:
    """Make a message for a queue of what user code or a client gives; raises InvalidInput and TooLarge."""
    if kind not in CONTENT_TYPES or not isinstance(kind, str):
        raise InvalidInput(f"a content type is one of {', '.join(CONTENT_TYPES)}, not {names.shown(kind)}")
    if not isinstance(body, bytes):
        raise InvalidInput("a message's body must be encoded")
    check_size(len(body))
    later = seconds(delay)
    settings = record.settings
    return Message(
        queue=record.id,
        id=secrets.token_hex(16),
        content_type=kind,
        body=body,
        at=now,
        due_at=now + (settings.delivery_delay if later is None else later) * 1000,
        expires_at=now + settings.message_retention_period * 1000,
    )


def shown(backlog: Backlog) -> dict[str, object]:
    """Show a backlog as `metrics()` does."""
    told: dict[str, object] = {"backlogCount": backlog.messages, "backlogBytes": backlog.bytes}
    if backlog.oldest_at is not None:
        told["oldestMessageTimestamp"] = backlog.oldest_at
    return told
