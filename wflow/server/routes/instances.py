"""`/workflows/{name}/instances`: create them, look at them, send them events, delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.bindings import journal
from wflow.engine import names, values
from wflow.engine import status as statuses
from wflow.errors import InstanceExists, InstanceNotFound, InvalidInput
from wflow.server import addressed, bodies, pages, queries, shown
from wflow.server.route import Answer, Call, Route
from wflow.server.routes.workflows import named
from wflow.server.scopes import DEPLOY, READ
from wflow.wire import wanted
from wflow.wire.shown import Shown, moment, step
from wflow.wire.types import Made, Wanted

if TYPE_CHECKING:
    from wflow.stores.store import Instance

BATCH_BYTES: Final = 16 * names.MIB
"""The body of a batch."""

_KEYS: Final = frozenset(
    {"id", "instance_id", "params", "instance_retention", "location_hint", "priority", "tags"}
)
_RETENTION: Final = ("success_retention", "error_retention")


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
    if asked.since is None and asked.until is None and asked.tag is None:
        counts = await call.host.store.counts(workflow)
        info["total_count"] = sum(counts.values()) if asked.status is None else counts.get(asked.status, 0)
    numbers = await call.host.numbers({one.version for one in page.instances})
    listed = [shown.instance_in_list(one, numbers.get(one.version)) for one in page.instances]
    return Answer(result=listed, info=info)


async def create(call: Call) -> Answer:
    """Create one instance; it is on disk when this answers."""
    workflow = call.part("workflow")
    given = _wanted(await bodies.json(call.request, empty={}))
    made = (await call.host.create(workflow, [given], trigger="api"))[0]
    if not made.created:
        raise InstanceExists(
            f"instance.already_exists: workflow {workflow!r} has an instance {made.id!r} already",
            hint="nothing was started",
        )
    return Answer(result=_made(workflow, made))


async def create_batch(call: Call) -> Answer:
    """Create up to 100 instances; those whose id exists are left out of the answer, as with Cloudflare."""
    workflow = call.part("workflow")
    body = await bodies.json(call.request, limit=BATCH_BYTES)
    if not isinstance(body, list) or not 1 <= len(body) <= names.BATCH:
        raise InvalidInput(f"a batch is an array of 1 to {names.BATCH} instances")
    given = [_wanted(item, f"[{index}]") for index, item in enumerate(body)]
    ids = [one.id for one in given if one.id is not None]
    if len(set(ids)) < len(ids):
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise DuplicateIds(f"the batch has the id {twice!r} twice; nothing was started")
    made = await call.host.create(workflow, given, trigger="api")
    return Answer(result=[_made(workflow, one) for one in made if one.created])


async def get(call: Call) -> Answer:
    """Get an instance with its steps."""
    return await describe(call, await addressed.instance(call))


async def describe(call: Call, instance: Instance) -> Answer:
    """Show an instance as the query wants it: `simple` without its steps, `order` desc the newest first."""
    newest_first = queries.choice(call.query, "order", ("asc", "desc")) == "desc"
    simple = queries.flag(call.query, "simple")
    steps = await journal.steps(call.host.store, instance.key)
    number = (await call.host.numbers({instance.version})).get(instance.version)
    listed = None if simple else [step(one) for one in (reversed(steps) if newest_first else steps)]
    return Answer(result={**shown.instance(instance, listed, len(steps)), "version_number": number})


async def delete(call: Call) -> Answer:
    """Delete an instance with all it has."""
    workflow, id_ = named(call.host, call.part("workflow")).name, call.part("id")
    if not await call.host.delete(workflow, [id_]):
        raise InstanceNotFound(f"instance.not_found: workflow {workflow!r} has no instance {id_[:100]!r}")
    return Answer(result={"instanceId": id_, "timestamp": moment(call.host.now())})


async def send_event(call: Call) -> Answer:
    """Send an event whose payload is the body; without a body it is None."""
    type_ = names.event_type(call.part("type"))
    payload = values.encode(await bodies.json(call.request))
    instance = await addressed.instance(call)
    await call.host.send_event(instance.workflow, instance.id, type_, payload)
    return Answer(result={"instanceId": instance.id, "timestamp": moment(call.host.now())})


def _wanted(body: object, where: str = "") -> Wanted:
    """Read one instance to create; Cloudflare's location is taken and has no effect."""
    try:
        given = bodies.fields(body, _KEYS)
        id_ = given.get("instance_id", given.get("id"))
        success_ms = error_ms = None
        if "instance_retention" in given:
            kept = given["instance_retention"]
            success_ms, error_ms = wanted.retention(kept, "instance_retention", _RETENTION)
        return Wanted(
            id=None if id_ is None else names.instance_id(id_),
            params=values.encode(given.get("params", {})),
            tags=wanted.tags(given["tags"]) if "tags" in given else (),
            success_retention_ms=success_ms,
            error_retention_ms=error_ms,
            priority=wanted.priority(given.get("priority", wanted.PRIORITY)),
        )
    except InvalidInput as wrong:
        raise InvalidInput(f"{where} {wrong.message}".strip()) from None


def _made(workflow: str, made: Made) -> Shown:
    return {"id": made.id, "status": statuses.QUEUED, "version_id": made.version, "workflow_id": workflow}


_ONE: Final = "/accounts/{account}/workflows/{workflow}/instances/{id}"

routes = [
    Route("GET", "/accounts/{account}/workflows/{workflow}/instances", READ, find),
    Route("POST", "/accounts/{account}/workflows/{workflow}/instances", DEPLOY, create),
    Route("POST", "/accounts/{account}/workflows/{workflow}/instances/batch", DEPLOY, create_batch),
    Route("GET", _ONE, READ, get),
    Route("DELETE", _ONE, DEPLOY, delete),
    Route("POST", f"{_ONE}/events/{{type}}", DEPLOY, send_event),
]
