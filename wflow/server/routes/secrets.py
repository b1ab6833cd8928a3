"""`/workers/scripts/{script}/secrets`: what a Worker has in its `env` and nobody else ever reads again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.errors import InvalidInput, WorkerNotFound
from wflow.server import bodies
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

TYPE: Final = "secret_text"
BULK_BYTES: Final = 16 * 1024 * 1024
"""A hundred secrets, escaped."""


async def find(call: Call) -> Answer:
    """List a Worker's secrets by name."""
    return Answer(result=[_shown(name) for name in await _names(call)])


async def get(call: Call) -> Answer:
    """Show that there is a secret."""
    name = call.part("name")
    if name not in await _names(call):
        raise _unknown(call)
    return Answer(result=_shown(name))


async def put(call: Call) -> Answer:
    """Set one secret."""
    name, text = _secret(await bodies.json(call.request))
    await call.host.secrets.change(call.part("script"), {name: text}, call.host.now())
    return Answer(result=_shown(name))


async def delete(call: Call) -> Answer:
    """Delete one secret."""
    await call.host.secrets.delete(call.part("script"), call.part("name"), call.host.now())
    return Answer()


async def change(call: Call) -> Answer:
    """Set and delete several, all or none; those that are not named stay as they are."""
    body = await bodies.json(call.request, limit=BULK_BYTES)
    given = bodies.fields(body, frozenset({"secrets", "version_tags"})).get("secrets", {})
    if not isinstance(given, dict):
        raise InvalidInput(f"`secrets` must be an object, not {bodies.shown(given)}")
    changes = {name: None if secret is None else _named(name, secret) for name, secret in given.items()}
    await call.host.secrets.change(call.part("script"), changes, call.host.now())
    try:
        kept = await _names(call)
    except WorkerNotFound:
        kept = []  # the last one is gone, and there is no Worker yet
    return Answer(result={name: _shown(name) for name in kept})


routes = [
    Route("GET", "/accounts/{account}/workers/scripts/{script}/secrets", READ, find),
    Route("PUT", "/accounts/{account}/workers/scripts/{script}/secrets", DEPLOY, put),
    Route("PATCH", "/accounts/{account}/workers/scripts/{script}/secrets", DEPLOY, change),
    Route("PATCH", "/accounts/{account}/workers/scripts/{script}/secrets-bulk", DEPLOY, change),
    Route("GET", "/accounts/{account}/workers/scripts/{script}/secrets/{name}", READ, get),
    Route("DELETE", "/accounts/{account}/workers/scripts/{script}/secrets/{name}", DEPLOY, delete),
]


async def _names(call: Call) -> Sequence[str]:
    return await call.host.secrets.find(call.part("script"), call.host.now())


def _shown(name: str) -> dict[str, Any]:
    return {"name": name, "type": TYPE}


def _secret(body: object) -> tuple[str, str]:
    """Read a secret; no error ever shows what was given for its text."""
    given = bodies.fields(body, frozenset({"name", "text", "type"}))
    if given.get("type", TYPE) != TYPE:
        raise InvalidInput(f"the `type` of a secret must be {TYPE}; wflow keeps no keys")
    return bodies.text(given, "name"), bodies.text(given, "text")


def _named(name: str, body: object) -> str:
    given = {"name": name, **body} if isinstance(body, dict) else body
    said, text = _secret(given)
    if said != name:
        raise InvalidInput(f"the secret under {name!r} calls itself {said!r}")
    return text


def _unknown(call: Call) -> InvalidInput:
    return InvalidInput(f"Worker {call.part('script')!r} has no secret {call.part('name')!r}")
