"""`/tokens`: who may use this runner; and `/user/tokens/verify`: who am I."""

from __future__ import annotations

from wflow.server import bodies, shown, tokens
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import ADMIN, READ


async def verify(call: Call) -> Answer:
    """Say whose token it is."""
    caller = call.caller
    return Answer(result={"id": caller.id, "status": "active", "name": caller.name, "scope": caller.scope})


async def find(call: Call) -> Answer:
    """List the tokens, without their secrets."""
    known = await tokens.find(call.host.store, now=call.host.now())
    return Answer(result=[shown.token(one) for one in known])


async def create(call: Call) -> Answer:
    """Make a token; its text is in this answer and never again."""
    body = bodies.fields(await bodies.json(call.request), frozenset({"name", "scope"}))
    name, scope = bodies.text(body, "name"), bodies.text(body, "scope")
    async with call.site.tokens_lock:
        token, text = await tokens.create(call.host.store, name, scope, now=call.host.now())
    return Answer(result={**shown.token(token), "token": text})


async def revoke(call: Call) -> Answer:
    """Delete a token, by its name or its id; it is of no use from now on."""
    token = await tokens.revoke(call.host.store, call.part("token"), now=call.host.now())
    return Answer(result={"id": token.id, "name": token.name})


routes = [
    Route("GET", "/user/tokens/verify", READ, verify),
    Route("GET", "/accounts/{account}/tokens", ADMIN, find),
    Route("POST", "/accounts/{account}/tokens", ADMIN, create),
    Route("DELETE", "/accounts/{account}/tokens/{token}", ADMIN, revoke),
]
