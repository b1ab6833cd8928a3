"""`/workflows`: what this runner serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.errors import WorkflowNotFound
from wflow.server import pages, queries, shown
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import READ
from wflow.wire.shown import Shown, moment

if TYPE_CHECKING:
    from wflow.server.host import Host
    from wflow.wire.types import Registered, Version


async def find(call: Call) -> Answer:
    """List workflows whose name contains `search`, page by page."""
    search = (queries.text(call.query, "search") or "").lower()
    found = [one for one in call.host.workflows() if search in one.name.lower()]
    listed, info = pages.cut(call.query, found)
    return Answer(result=[await _told(call.host, one) for one in listed], info=info)


async def get(call: Call) -> Answer:
    """Get one workflow."""
    return Answer(result=await _told(call.host, named(call.host, call.part("workflow"))))


async def find_versions(call: Call) -> Answer:
    """List the versions that have a workflow, newest first, page by page."""
    registered = named(call.host, call.part("workflow"))
    kept = await call.host.versions(registered.script_name)
    listed, info = pages.cut(call.query, [one for one in kept if registered.name in one.workflows])
    return Answer(result=[_version(registered, one) for one in listed], info=info)


def named(host: Host, name: str) -> Registered:
    """Find a workflow by name; raises WorkflowNotFound."""
    for registered in host.workflows():
        if registered.name == name:
            return registered
    raise WorkflowNotFound(
        f"there is no workflow {name[:80]!r}", hint="`wflow workflows list` shows those there are"
    )


def _version(registered: Registered, one: Version) -> Shown:
    told: Shown = {
        "id": one.id,
        "workflow_id": registered.name,
        "created_on": moment(one.created_at),
        "modified_on": moment(one.created_at),
        "language": "python",
        "has_dag": False,
    }
    if one.id != registered.version:
        return told  # what else an older one said of the workflow lies in its bundle
    return {**told, "class_name": registered.class_name, "limits": {"steps": registered.step_limit}}


async def _told(host: Host, registered: Registered) -> Shown:
    newest = await host.store.find(registered.name, limit=1)
    counts = await host.store.counts(registered.name)
    triggered_at = newest[0].created_at if newest else None
    return shown.workflow(registered, counts, triggered_at, host.now())


routes = [
    Route("GET", "/accounts/{account}/workflows", READ, find),
    Route("GET", "/accounts/{account}/workflows/{workflow}", READ, get),
    Route("GET", "/accounts/{account}/workflows/{workflow}/versions", READ, find_versions),
]
