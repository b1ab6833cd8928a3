"""`/workflows`: what this runner serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.errors import WorkflowNotFound
from wflow.server import queries, shown
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import READ

if TYPE_CHECKING:
    from wflow.server.host import Host
    from wflow.wire.types import Registered

PER_PAGE: Final = 25
PER_PAGE_MAX: Final = 100


async def find(call: Call) -> Answer:
    """List workflows whose name contains `search`, page by page."""
    page = queries.number(call.query, "page", at_least=1) or 1
    per_page = queries.number(call.query, "per_page", at_least=1, at_most=PER_PAGE_MAX) or PER_PAGE
    search = (queries.text(call.query, "search") or "").lower()
    found = [one for one in call.host.workflows() if search in one.name.lower()]
    start = (page - 1) * per_page
    listed = found[start : start + per_page]
    info: dict[str, object] = {
        "page": page,
        "per_page": per_page,
        "count": len(listed),
        "total_count": len(found),
        "total_pages": -(-len(found) // per_page),
    }
    return Answer(result=[await _told(call.host, one) for one in listed], info=info)


async def get(call: Call) -> Answer:
    """Get one workflow."""
    return Answer(result=await _told(call.host, named(call.host, call.part("workflow"))))


def named(host: Host, name: str) -> Registered:
    """Find a workflow by name; raises WorkflowNotFound."""
    for registered in host.workflows():
        if registered.name == name:
            return registered
    raise WorkflowNotFound(
        f"there is no workflow {name[:80]!r}", hint="`wflow workflows list` shows those there are"
    )


async def _told(host: Host, registered: Registered) -> shown.Shown:
    newest = await host.store.find(registered.name, limit=1)
    counts = await host.store.counts(registered.name)
    return shown.workflow(registered, counts, newest[0].created_at if newest else None)


routes = [
    Route("GET", "/accounts/{account}/workflows", READ, find),
    Route("GET", "/accounts/{account}/workflows/{workflow}", READ, get),
]
