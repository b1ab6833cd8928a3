"""`/workers/scripts/{name}/deployments`: which versions are live, which were, and which are to be."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from wflow.errors import InvalidInput, VersionNotFound
from wflow.server import bodies, pages, queries, shown
from wflow.server.bundles import MESSAGE, Message
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ
from wflow.wire.types import Share

PER_PAGE: Final = 10
"""What wrangler shows, and it asks for no number."""
TRIGGERED_BY: Final = "workers/triggered_by"


class DeploymentNotFound(VersionNotFound):
    """The Worker has no deployment with that id."""

    code = 19004


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is to be live, with its share in percent."""

    version_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    percentage: float


class Annotations(msgspec.Struct, frozen=True, kw_only=True):
    """Why, and what asks for it; what else Cloudflare's clients say is of no matter here."""

    message: Message | None = msgspec.field(default=None, name=MESSAGE)
    triggered_by: Literal["upload", "rollback", "deployment"] | None = msgspec.field(
        default=None, name=TRIGGERED_BY
    )


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The body that asks for a deployment; ``code_update_strategy`` is about Durable Objects."""

    strategy: Literal["percentage"]
    versions: Annotated[list[Traffic], msgspec.Meta(max_length=100)]
    annotations: Annotations = Annotations()
    code_update_strategy: Any = None


async def find(call: Call) -> Answer:
    """List deployments, newest first, page by page."""
    found = await call.host.deployments(call.part("script"))
    now = call.host.now()
    since = queries.moment(call.query, "since", now=now)
    until = queries.moment(call.query, "until", now=now)
    wanted = [
        one
        for one in found
        if (since is None or one.created_at >= since) and (until is None or one.created_at <= until)
    ]
    listed, info = pages.cut(call.query, wanted, per_page=PER_PAGE)
    result: dict[str, object] = {"deployments": [shown.deployment(one) for one in listed]}
    # Cloudflare's client for Python looks for a page's things under this key.
    return Answer(result={**result, "items": [result] if listed else []}, info=info)


async def get(call: Call) -> Answer:
    """Get one deployment."""
    id_ = call.part("deployment")
    for one in await call.host.deployments(call.part("script")):
        if one.id == id_:
            return Answer(result=shown.deployment(one))
    raise DeploymentNotFound(
        f"the Worker {call.part('script')!r} has no deployment {id_[:80]!r}",
        hint="`wflow deployments list` shows the last ones",
    )


async def create(call: Call) -> Answer:
    """Make versions live; `force` is taken, as nothing is blocked here that it could force."""
    queries.flag(call.query, "force")
    body = await bodies.json(call.request)
    try:
        wish = msgspec.convert(body, Wish)
    except msgspec.ValidationError as wrong:
        raise InvalidInput(f"the deployment that is asked for: {wrong}") from None
    deployment = await call.host.release(
        call.part("script"),
        [Share(version=one.version_id, percentage=one.percentage) for one in wish.versions],
        message=wish.annotations.message or "",
        author=call.caller.name,
        trigger=wish.annotations.triggered_by,
    )
    return Answer(result=shown.deployment(deployment))


_ALL: Final = "/accounts/{account}/workers/scripts/{script}/deployments"

routes = [
    Route("GET", _ALL, READ, find),
    Route("POST", _ALL, DEPLOY, create),
    Route("GET", f"{_ALL}/{{deployment}}", READ, get),
]
