"""`/workers/scripts/{name}/versions`: take bundles in that are not live, and show what was taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.server import bodies, bundles, pages, queries, shown
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from wflow.wire.shown import Shown
    from wflow.wire.types import Version


async def find(call: Call) -> Answer:
    """List versions, newest first, page by page; with `deployable` all of them, as every one can be live."""
    found = await call.host.versions(call.part("script"))
    if queries.flag(call.query, "deployable"):
        return Answer(result={"items": [shown.version(one) for one in found]})
    listed, info = pages.cut(call.query, found)
    return Answer(result={"items": [shown.version(one) for one in listed]}, info=info)


async def get(call: Call) -> Answer:
    """Get a version with its resources."""
    version = await call.host.version(call.part("script"), call.part("version"))
    return Answer(result=await _whole(call, version))


async def upload(call: Call) -> Answer:
    """Keep a bundle as a version that is not live."""
    sent = bundles.sent(await bodies.form(call.request, limit=bundles.FORM_BYTES))
    version = await call.host.upload(
        call.part("script"),
        sent.bundle,
        digest=sent.digest,
        message=sent.message,
        author=call.caller.name,
        tag=sent.tag,
    )
    return Answer(result=await _whole(call, version))


async def _whole(call: Call, version: Version) -> Shown:
    manifest = await call.host.manifest(version.worker, version.id)
    return {**shown.version(version), "resources": shown.resources(manifest)}


routes = [
    Route("GET", "/accounts/{account}/workers/scripts/{script}/versions", READ, find),
    Route("POST", "/accounts/{account}/workers/scripts/{script}/versions", DEPLOY, upload),
    Route("GET", "/accounts/{account}/workers/scripts/{script}/versions/{version}", READ, get),
]
