"""`/queues`: make, find, change and delete queues, and empty them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bindings import queue_records as records
from wflow.bindings.queue import DELAY_S
from wflow.bindings.queue_records import Record, Settings
from wflow.errors import InvalidInput, QueueTaken, TooMany
from wflow.server import bodies, queries, queueing
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ
from wflow.wire.shown import moment

if TYPE_CHECKING:
    from wflow.wire.shown import Shown

PER_PAGE: Final = 100
"""Queues on one page of the list."""
_FIELDS: Final = frozenset({"queue_name", "settings", "jurisdiction"})
_SETTINGS: Final = frozenset(Settings.__struct_fields__)


async def create(call: Call) -> Answer:
    """Make a queue."""
    body = bodies.fields(await bodies.json(call.request), _FIELDS)
    name = records.queue_name(body.get("queue_name"))
    queues = await call.host.queues.records()
    if any(record.name == name for record in queues):
        raise QueueTaken(f"Queue name '{name}' is already taken")
    if len(queues) >= records.QUEUES:
        raise TooMany(f"there are {records.QUEUES:,} queues; that is the limit")
    now = call.host.now()
    settings = _settings(body.get("settings"), Settings())
    record = Record(id=records.id_of(name), name=name, created_at=now, modified_at=now, settings=settings)
    await call.host.queues.keep(record)
    return Answer(result=queueing.shown(call, record))


async def find(call: Call) -> Answer:
    """List queues by name; `name` asks for one."""
    page = queries.number(call.query, "page", at_least=1) or 1
    size = queries.number(call.query, "per_page", at_least=1, at_most=PER_PAGE) or PER_PAGE
    name = queries.text(call.query, "name")
    found = [one for one in await call.host.queues.records() if name in {None, one.name}]
    shown = [queueing.shown(call, one) for one in found[(page - 1) * size : page * size]]
    pages = -(-len(found) // size)
    info: Shown = {
        "page": page,
        "per_page": size,
        "count": len(shown),
        "total_count": len(found),
        "total_pages": pages,
    }
    return Answer(result=shown, info=info)


async def get(call: Call) -> Answer:
    """Show a queue."""
    return Answer(result=queueing.shown(call, await queueing.record(call)))


async def update(call: Call) -> Answer:
    """Change settings: all of them, what is not given being as usual."""
    return await _change(call, Settings())


async def edit(call: Call) -> Answer:
    """Change some settings."""
    return await _change(call, (await queueing.record(call)).settings)


async def delete(call: Call) -> Answer:
    """Delete a queue with its messages, unless a live version names it."""
    record = await queueing.record(call)
    if users := call.host.queues.users(record.name):
        raise QueueTaken(
            f"queue {record.name!r} is in use by the Worker {users[0]!r}",
            hint="deploy a version that does not name it first",
        )
    await call.host.queues.delete(record)
    return Answer()


async def metrics(call: Call) -> Answer:
    """Tell what is in a queue."""
    record = await queueing.record(call)
    return Answer(result=queueing.shown_backlog(await call.host.store.queues.backlog(record.id)))


async def purge(call: Call) -> Answer:
    """Begin to delete all messages of a queue; it must be said that this is meant."""
    record = await queueing.record(call)
    body = bodies.fields(await bodies.json(call.request), frozenset({"delete_messages_permanently"}))
    if not queueing.flag(body, "delete_messages_permanently", usual=False):
        raise InvalidInput("`delete_messages_permanently` must be true: nothing brings the messages back")
    call.host.queues.purge(record, call.host.now())
    return Answer(result=queueing.shown(call, record))


async def purged(call: Call) -> Answer:
    """Tell how the last purge went."""
    found = call.host.queues.purged(await queueing.record(call))
    at, done = (None, True) if found is None else found
    return Answer(result={"started_at": moment(at) or "", "completed": "true" if done else "false"})


async def _change(call: Call, before: Settings) -> Answer:
    record = await queueing.record(call)
    body = bodies.fields(await bodies.json(call.request), _FIELDS)
    if body.get("queue_name", record.name) != record.name:
        raise InvalidInput("a queue keeps its name", hint="make another one")
    changed = msgspec.structs.replace(
        record, settings=_settings(body.get("settings"), before), modified_at=call.host.now()
    )
    await call.host.queues.keep(changed)
    return Answer(result=queueing.shown(call, changed))


def _settings(given: object, before: Settings) -> Settings:
    if given is None:
        return before
    body = bodies.fields(given, _SETTINGS)
    retention = (records.RETENTION_S_MIN, records.RETENTION_S_MAX)
    return Settings(
        delivery_delay=queueing.number(body, "delivery_delay", before.delivery_delay, (0, DELAY_S)),
        delivery_paused=queueing.flag(body, "delivery_paused", usual=before.delivery_paused),
        message_retention_period=queueing.number(
            body, "message_retention_period", before.message_retention_period, retention
        ),
    )


_ALL: Final = "/accounts/{account}/queues"
_ONE: Final = f"{_ALL}/{{queue}}"

routes = [
    Route("GET", _ALL, READ, find),
    Route("POST", _ALL, DEPLOY, create),
    Route("GET", _ONE, READ, get),
    Route("PUT", _ONE, DEPLOY, update),
    Route("PATCH", _ONE, DEPLOY, edit),
    Route("DELETE", _ONE, DEPLOY, delete),
    Route("GET", f"{_ONE}/metrics", READ, metrics),
    Route("POST", f"{_ONE}/purge", DEPLOY, purge),
    Route("GET", f"{_ONE}/purge", READ, purged),
]
