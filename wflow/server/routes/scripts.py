"""`/workers/scripts`: take bundles in that go live at once, and show what is live."""

from __future__ import annotations

from wflow.server import bodies, bundles, shown
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ


async def find(call: Call) -> Answer:
    """List the Workers, each with its current version."""
    return Answer(
        result=[{**shown.version(one), "id": one.worker, "version_id": one.id} for one in call.host.workers()]
    )


async def deploy(call: Call) -> Answer:
    """Make a bundle the Worker's only live version."""
    sent = bundles.sent(await bodies.form(call.request, limit=bundles.FORM_BYTES))
    version = await call.host.deploy(
        call.part("script"),
        sent.bundle,
        digest=sent.digest,
        message=sent.message,
        author=call.caller.name,
        tag=sent.tag,
    )
    return Answer(result=shown.version(version))


routes = [
    Route("GET", "/accounts/{account}/workers/scripts", READ, find),
    Route("PUT", "/accounts/{account}/workers/scripts/{script}", DEPLOY, deploy),
]
