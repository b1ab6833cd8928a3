"""`/workers/scripts/{script}/schedules`: what fires by the clock, and firing it by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.bindings.binding import Raised
from wflow.errors import InvalidInput, WorkerNotFound
from wflow.server import bodies
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ
from wflow.wire import crons
from wflow.wire.shown import Shown, moment
from wflow.wire.types import Schedule

if TYPE_CHECKING:
    from wflow.server.host import Host
    from wflow.wire.types import Version

LATEST_MS = 10**14
"""Far beyond any date, and few enough digits for an instance's id."""


async def find(call: Call) -> Answer:
    """List the schedules of a Worker's live version and of its workflows."""
    version = _version(call.host, call.part("script"))
    own = [one for one in call.host.schedules.live() if one.worker == version.worker]
    return Answer(result={"schedules": [_shown(one, version, call.host.now()) for one in own]})


async def run(call: Call) -> Answer:
    """Fire one now, whether it is declared or not."""
    known = frozenset({"cron", "workflow", "time"})
    body = bodies.fields(await bodies.json(call.request, empty={}), known)
    version = _version(call.host, call.part("script"))
    workflow = bodies.text(body, "workflow") if "workflow" in body else None
    cron = bodies.text(body, "cron") if "cron" in body else _only(call.host, version.worker, workflow)
    schedule = Schedule(version.worker, _parsed(cron), workflow)
    at = instant(body["time"]) if "time" in body else call.host.now()
    return Answer(result=await fired(call.host, schedule, at))


async def fired(host: Host, schedule: Schedule, at: int) -> Shown:
    """Fire, and tell what came of it."""
    told: Shown = {"cron": schedule.cron, "scheduledTime": at}
    try:
        id_ = await host.schedules.fire(schedule, at)
    except Raised as raised:
        error = {"name": raised.failure.name, "message": raised.failure.message}
        return {**told, "outcome": "exception", "error": error}
    except TimeoutError:
        error = {"name": "TimeoutError", "message": "the handler took longer than 15 minutes"}
        return {**told, "outcome": "exceededWallTime", "error": error}
    return {**told, "outcome": "ok", **({} if id_ is None else {"id": id_})}


def instant(given: object) -> int:
    """Read milliseconds since 1970; raises InvalidInput."""
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < LATEST_MS:
        raise InvalidInput("`time` is an instant in milliseconds since 1970")
    return given


def _parsed(cron: str) -> str:
    try:
        return crons.parse(cron)
    except ValueError as wrong:
        raise InvalidInput(f"`cron`: {wrong}") from None


def _only(host: Host, worker: str, workflow: str | None) -> str:
    """Find the schedule that is meant when none is named."""
    own = [one for one in host.schedules.live() if (one.worker, one.workflow) == (worker, workflow)]
    if len(own) != 1:
        what = "the Worker" if workflow is None else f"workflow {workflow!r}"
        listed = ", ".join(f'"{one.cron}"' for one in own)
        raise InvalidInput(
            f"{what} has {len(own)} schedules{': ' + listed if own else ''}; say which `cron` is to fire"
        )
    return own[0].cron


def _version(host: Host, worker: str) -> Version:
    for version in host.workers():
        if version.worker == worker:
            return version
    raise WorkerNotFound(f"there is no Worker {worker[:80]!r}", hint="`wflow deploy` deploys one")


def _shown(one: Schedule, version: Version, now: int) -> Shown:
    told: Shown = {
        "cron": one.cron,
        "created_on": moment(version.created_at),
        "modified_on": moment(version.created_at),
        "next_on": moment(crons.Cron(one.cron).next(now)),
    }
    return told if one.workflow is None else {**told, "workflow": one.workflow}


routes = [
    Route("GET", "/accounts/{account}/workers/scripts/{script}/schedules", READ, find),
    Route("POST", "/accounts/{account}/workers/scripts/{script}/schedules/run", DEPLOY, run),
]
