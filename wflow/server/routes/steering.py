"""`.../instances/{id}/status` and its like for many: pause, resume, restart, cancel, terminate, delete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.errors import InstanceNotFound, InvalidInput, Refused
from wflow.server import addressed, bodies, queries
from wflow.server.route import Answer, Call, Route
from wflow.server.routes import instances
from wflow.server.routes.workflows import named
from wflow.server.scopes import DEPLOY, READ
from wflow.server.termination import RUNNING, STATUSES, Termination
from wflow.wire.shown import Shown, moment
from wflow.wire.types import Start

if TYPE_CHECKING:
    from collections.abc import Mapping

TERMINATE: Final = "terminate"
ROLL_BACK: Final = "rollBack"
RESTART: Final = "restart"
RESUME: Final = "resume"
ACCEPT: Final = "accept"
VERBS: Final = ("pause", RESUME, RESTART, "cancel", TERMINATE)
"""What an instance can be told; `cancel` is ours."""
STEP_TYPES: Final = ("do", "sleep", "waitForEvent")
COUNT_MAX: Final = names.STEPS_MAX
"""Visits of one step."""


async def steer(call: Call) -> Answer:
    """Tell an instance what to do."""
    body = bodies.fields(await bodies.json(call.request), frozenset({"status", "rollback", "from", "accept"}))
    verb = bodies.text(body, "status")
    if verb not in VERBS:
        raise InvalidInput(f"`status` must be one of {', '.join(VERBS)}, not {verb[:40]!r}")
    rolls_back, accepts = _flag(body, "rollback", TERMINATE, verb), _flag(body, "accept", RESUME, verb)
    if "from" in body and verb != RESTART:
        raise InvalidInput(f"`from` goes with the status {RESTART!r}, not with {verb!r}")
    start = _start(body["from"]) if "from" in body else None
    found = await addressed.instance(call)
    if verb == RESTART:
        after = await call.host.restart(found.workflow, found.id, start)
    else:
        told_to = ROLL_BACK if rolls_back else ACCEPT if accepts else verb
        after = await call.host.steer(found.workflow, found.id, told_to)
    told = {"status": after.status, "timestamp": moment(after.modified_at), "instanceId": after.id}
    return Answer(result=told)


async def delete_batch(call: Call) -> Answer:
    """Delete up to 100 instances; an id that comes twice is deleted once, and told twice."""
    workflow = named(call.host, call.part("workflow")).name
    body = bodies.fields(await bodies.json(call.request), frozenset({"instances"}))
    ids = _ids(body.get("instances"), "`instances`")
    gone = await call.host.delete(workflow, list(dict.fromkeys(ids)))
    missing = [_problem(id_, _missing(workflow, id_)) for id_ in ids if id_ not in gone]
    return Answer(result={"deleted": [{"id": id_} for id_ in ids if id_ in gone], "errors": missing})


async def terminate_batch(call: Call) -> Answer:
    """Terminate up to 100 instances; when this answers they are over."""
    workflow = named(call.host, call.part("workflow")).name
    ids = _ids(await bodies.json(call.request), "the batch")

    async def terminate(id_: str) -> Shown | None:
        try:
            await call.host.steer(workflow, id_, TERMINATE)
        except Refused as refused:
            return _problem(id_, refused)
        return None

    unique = list(dict.fromkeys(ids))
    problems = dict(zip(unique, await asyncio.gather(*map(terminate, unique)), strict=True))
    over = [{"id": id_} for id_ in ids if problems[id_] is None]
    errors = [problems[id_] for id_ in ids if problems[id_] is not None]
    return Answer(result={"status": "ok", "terminated": over, "errors": errors})


async def terminate_all(call: Call) -> Answer:
    """Begin to terminate all instances, or those in one `status`; another request tells how it goes."""
    workflow = named(call.host, call.part("workflow")).name
    status = queries.choice(call.query, "status", STATUSES)
    jobs = call.site.terminations
    if workflow in jobs and jobs[workflow].state == RUNNING:
        return Answer(result={"status": "already_running"})
    jobs[workflow] = Termination(host=call.host, workflow=workflow, status=status, began_at=call.host.now())
    jobs[workflow].start()
    return Answer(result={"status": "ok"})


async def termination(call: Call) -> Answer:
    """Tell how the last job goes; an instance of that name comes first, unless `job` is true."""
    workflow = named(call.host, call.part("workflow")).name
    found = await call.host.store.find_one(workflow, TERMINATE)
    if found is not None and not queries.flag(call.query, "job"):
        return await instances.describe(call, found)
    job = call.site.terminations.get(workflow)
    if job is None:
        raise _missing(workflow, TERMINATE)
    return Answer(result=job.shown())


def _flag(body: Mapping[str, object], name: str, goes_with: str, verb: str) -> bool:
    """Read what is true or false, and makes sense with one verb only."""
    given = body.get(name, False)
    if not isinstance(given, bool):
        raise InvalidInput(f"`{name}` must be true or false, not {bodies.shown(given)}")
    if given and verb != goes_with:
        raise InvalidInput(f"`{name}` goes with the status {goes_with!r}, not with {verb!r}")
    return given


def _start(given: object) -> Start:
    """Read from which step to restart."""
    body = bodies.fields(given, frozenset({"name", "count", "type"}))
    count, type_ = body.get("count", 1), body.get("type")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= COUNT_MAX:
        raise InvalidInput(f"`from.count` must be a whole number from 1 to {COUNT_MAX:,}")
    if type_ is not None and type_ not in STEP_TYPES:
        raise InvalidInput(f"`from.type` must be one of {', '.join(STEP_TYPES)}")
    name = names.step_name(bodies.text(body, "name"))
    return Start(name=name, count=count, type=None if type_ is None else str(type_))


def _ids(given: object, what: str) -> list[str]:
    """Read 1 to 100 ids; one that is malformed refuses all."""
    if not isinstance(given, list) or not 1 <= len(given) <= names.BATCH:
        raise InvalidInput(f"{what} must be an array of 1 to {names.BATCH} ids of instances")
    return [names.instance_id(each) for each in given]


def _missing(workflow: str, id_: str) -> InstanceNotFound:
    return InstanceNotFound(f"instance.not_found: workflow {workflow!r} has no instance {id_!r}")


def _problem(id_: str, error: Refused) -> Shown:
    return {"id": id_, "code": error.code, "message": error.message}


_ALL: Final = "/accounts/{account}/workflows/{workflow}/instances"

routes = [
    Route("PATCH", f"{_ALL}/{{id}}/status", DEPLOY, steer),
    Route("POST", f"{_ALL}/batch/delete", DEPLOY, delete_batch),
    Route("POST", f"{_ALL}/batch/terminate", DEPLOY, terminate_batch),
    Route("PUT", f"{_ALL}/terminate", DEPLOY, terminate_all),
    Route("GET", f"{_ALL}/terminate", READ, termination),
]
