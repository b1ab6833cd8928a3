"""`.../instances/{id}/migrate`: put an instance on another version, if its journal fits that."""

from __future__ import annotations

from wflow.errors import InvalidInput
from wflow.server import addressed, bodies
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY
from wflow.wire import fit


async def migrate(call: Call) -> Answer:
    """Move it to `version`, or to the current one; with `dry_run` only say whether it fits."""
    body = bodies.fields(await bodies.json(call.request, empty={}), frozenset({"version", "dry_run"}))
    version = bodies.text(body, "version") if "version" in body else None
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise InvalidInput(f"`dry_run` must be true or false, not {bodies.shown(dry_run)}")
    found = await addressed.instance(call)
    ask = call.host.rehearse_one if dry_run else call.host.migrate
    tried = await ask(found.workflow, found.id, version)
    migrated = not dry_run and tried.verdict.clean and tried.version != found.version
    return Answer(result={**fit.shown(tried), "migrated": migrated})


routes = [
    Route("POST", "/accounts/{account}/workflows/{workflow}/instances/{id}/migrate", DEPLOY, migrate),
]
