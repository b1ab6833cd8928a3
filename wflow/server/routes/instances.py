"""`/workflows/{name}/instances`: create them, look at them, steer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import names, values
from wflow.engine import status as statuses
from wflow.engine.facts import (
    FAILED,
    OPENED,
    RECEIVED,
    SETTLED,
    TRIED,
    Fact,
    Failed,
    Received,
    Settled,
    decode,
)
from wflow.engine.outcome import Failure, Ok
from wflow.engine.timeline import timeline
from wflow.errors import InstanceExists, InstanceNotFound, InvalidInput
from wflow.server import bodies, pages, queries, shown
from wflow.server.route import Answer, Call, Route
from wflow.server.routes.workflows import named
from wflow.server.scopes import DEPLOY, READ
from wflow.wire.types import Made, Wanted

if TYPE_CHECKING:
    from wflow.stores.store import Instance, Store

LATEST: Final = "latest"
"""Stands for the id of the newest instance, unless one is really called so."""
BATCH_BYTES: Final = 16 * names.MIB
"""The body of a batch."""
OUTPUT_BYTES: Final = 16 * names.KIB
"""A step's output in the list of steps; a longer one is cut."""
OUTPUTS_BYTES: Final = 8 * names.MIB
"""All outputs in one list of steps; those after it are cut to nothing."""
RECORDS: Final = 200
"""Facts read at once: each may hold a value of a MiB."""
CUT: Final = "[truncated output]"

_SHOWN: Final = frozenset({OPENED, TRIED, FAILED, SETTLED, RECEIVED})
_KEYS: Final = frozenset({"id", "instance_id", "params", "instance_retention", "location_hint"})
_VERBS: Final = ("pause", "resume", "restart", "terminate")


class DuplicateIds(InvalidInput):
    """A batch has an id twice; the number is Cloudflare's."""

    code = 10415


async def find(call: Call) -> Answer:
    """List a workflow's instances."""
    workflow = named(call.host, call.part("workflow")).name
    asked = pages.wanted(call.query, now=call.host.now())
    page = await pages.read(call.host.store, workflow, asked)
    info: dict[str, object] = {
        "count": len(page.instances),
        "per_page": asked.per_page,
        "cursor": None if page.cursor is None else str(page.cursor),
    }
    if asked.page is not None:
        info["page"] = asked.page
    if asked.since is None and asked.until is None:
        counts = await call.host.store.counts(workflow)
        info["total_count"] = sum(counts.values()) if asked.status is None else counts.get(asked.status, 0)
    return Answer(result=[shown.instance_in_list(one) for one in page.instances], info=info)


async def create(call: Call) -> Answer:
    """Create one instance; it is on disk when this answers."""
    workflow = call.part("workflow")
    wanted = _wanted(await bodies.json(call.request, empty={}))
    made = (await call.host.create(workflow, [wanted], trigger="api"))[0]
    if not made.created:
        raise InstanceExists(
            f"workflow {workflow!r} has an instance {made.id!r} already", hint="nothing was started"
        )
    return Answer(result=_made(workflow, made))


async def create_batch(call: Call) -> Answer:
    """Create up to 100 instances; those whose id exists are left out of the answer, as with Cloudflare."""
    workflow = call.part("workflow")
    body = await bodies.json(call.request, limit=BATCH_BYTES)
    if not isinstance(body, list) or not 1 <= len(body) <= names.BATCH:
        raise InvalidInput(f"a batch is an array of 1 to {names.BATCH} instances")
    wanted = [_wanted(item, f"[{index}]") for index, item in enumerate(body)]
    ids = [one.id for one in wanted if one.id is not None]
    if len(set(ids)) < len(ids):
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise DuplicateIds(f"the batch has the id {twice!r} twice; nothing was started")
    made = await call.host.create(workflow, wanted, trigger="api")
    return Answer(result=[_made(workflow, one) for one in made if one.created])


async def get(call: Call) -> Answer:
    """Get an instance with its steps."""
    newest_first = queries.choice(call.query, "order", ("asc", "desc")) == "desc"
    simple = queries.flag(call.query, "simple")
    instance = await _instance(call)
    steps = timeline(await _journal(call.host.store, instance.key))
    if simple:
        return Answer(result=shown.instance(instance, None, len(steps)))
    listed = [shown.step(step) for step in (reversed(steps) if newest_first else steps)]
    return Answer(result=shown.instance(instance, listed, len(steps)))


async def delete(call: Call) -> Answer:
    """Delete an instance with all it has."""
    workflow, id_ = call.part("workflow"), call.part("id")
    await call.host.delete(workflow, id_)
    return Answer(result={"instanceId": id_, "timestamp": shown.moment(call.host.now())})


async def steer(call: Call) -> Answer:
    """Pause, resume, restart or terminate an instance."""
    body = bodies.fields(await bodies.json(call.request), frozenset({"status", "rollback", "from"}))
    verb = bodies.text(body, "status")
    if verb not in _VERBS:
        raise InvalidInput(f"`status` must be one of {', '.join(_VERBS)}, not {verb[:40]!r}")
    for key in ("rollback", "from"):
        if body.get(key):
            raise InvalidInput(f"`{key}` is not supported yet")
    instance = await _instance(call)
    after = await call.host.steer(instance.workflow, instance.id, verb)
    return Answer(result={"status": after.status, "timestamp": shown.moment(after.modified_at)})


async def send_event(call: Call) -> Answer:
    """Send an event whose payload is the body."""
    type_ = names.event_type(call.part("type"))
    payload = values.encode(await bodies.json(call.request))
    instance = await _instance(call)
    await call.host.send_event(instance.workflow, instance.id, type_, payload)
    return Answer(result={"instance_id": instance.id, "timestamp": shown.moment(call.host.now())})


def _wanted(body: object, where: str = "") -> Wanted:
    """Read one instance to create; Cloudflare's retention and location are taken and have no effect."""
    try:
        given = bodies.fields(body, _KEYS)
        id_ = given.get("instance_id", given.get("id"))
        checked = None if id_ is None else names.instance_id(id_)
    except InvalidInput as wrong:
        raise InvalidInput(f"{where} {wrong.message}".strip()) from None
    if "params" not in given:
        return Wanted(id=checked)
    return Wanted(id=checked, params=values.encode(given["params"]))


def _made(workflow: str, made: Made) -> shown.Shown:
    return {"id": made.id, "status": statuses.QUEUED, "version_id": made.version, "workflow_id": workflow}


async def _instance(call: Call) -> Instance:
    workflow, id_ = call.part("workflow"), call.part("id")
    try:
        return await call.host.get(workflow, id_)
    except InstanceNotFound:
        newest = await call.host.store.find(workflow, limit=1) if id_ == LATEST else []
        if not newest:
            raise
        return newest[0]


async def _journal(store: Store, key: int) -> list[Fact]:
    """Read an instance's facts about steps, page by page, cut so that all of it stays small."""
    facts: list[Fact] = []
    seq, left = 0, OUTPUTS_BYTES
    while records := await store.journal(key, after=seq, limit=RECORDS):
        for record in records:
            if record.tag in _SHOWN:
                fact, taken = _trimmed(decode(record.body), min(left, OUTPUT_BYTES))
                left -= taken
                facts.append(fact)
        seq = records[-1].seq
    return facts


def _trimmed(fact: Fact, limit: int) -> tuple[Fact, int]:
    match fact:
        case Settled(outcome=Ok(value)):
            kept = _cut(value, limit)
            return msgspec.structs.replace(fact, outcome=Ok(kept)), len(kept)
        case Received(payload=payload):
            kept = _cut(payload, limit)
            return msgspec.structs.replace(fact, payload=kept), len(kept)
        case Failed(failure=failure):
            short = Failure(name=failure.name, message=failure.message)
            return msgspec.structs.replace(fact, failure=short), 0
    return fact, 0


def _cut(value: bytes, limit: int) -> bytes:
    """Cut a value to the start of its JSON when it is longer than ``limit`` bytes."""
    if len(value) <= max(limit, 16):
        return value
    text = msgspec.json.encode(shown.value(value), enc_hook=str)[: max(limit, 0)]
    return values.encode(text.decode(errors="ignore") + CUT)


_ONE: Final = "/accounts/{account}/workflows/{workflow}/instances/{id}"

routes = [
    Route("GET", "/accounts/{account}/workflows/{workflow}/instances", READ, find),
    Route("POST", "/accounts/{account}/workflows/{workflow}/instances", DEPLOY, create),
    Route("POST", "/accounts/{account}/workflows/{workflow}/instances/batch", DEPLOY, create_batch),
    Route("GET", _ONE, READ, get),
    Route("DELETE", _ONE, DEPLOY, delete),
    Route("PATCH", f"{_ONE}/status", DEPLOY, steer),
    Route("POST", f"{_ONE}/events/{{type}}", DEPLOY, send_event),
]
