"""`/cdn-cgi/local/scheduled` of a dev session: fires a Worker's `scheduled`, as wrangler's does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from wflow.errors import Forbidden, InvalidInput, LinkError, WflowError
from wflow.server.auth import admit
from wflow.server.routes.schedules import fired, instant
from wflow.server.scopes import DEPLOY
from wflow.wire.types import Schedule

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from wflow.server.auth import Auth
    from wflow.server.host import Host

PATHS: Final = frozenset(
    {
        "/__scheduled",
        "/cdn-cgi/handler/scheduled",
        "/cdn-cgi/local/scheduled",
        "/cdn-cgi/mf/scheduled",
    }
)
CRON: Final = "* * * * *"
"""What a handler is told when nobody says."""


class ByHand:
    """The ASGI end of it; whoever may use the session's API may fire."""

    def __init__(self, host: Host, auth: Auth) -> None:
        """Fire at ``host``."""
        self._host = host
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: `?cron=`, `?time=` in milliseconds, `?format=json`."""
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
        except WflowError as refused:
            status = {Forbidden: 403, InvalidInput: 400, LinkError: 503}.get(type(refused), 500)
            response = PlainTextResponse(f"{refused.message}\n", status)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        await admit(self._auth, request, DEPLOY)
        query = request.query_params
        given = query.get("time", "")
        if given and not (given.isascii() and given.isdecimal() and len(given) < 16):
            raise InvalidInput("`time` is an instant in milliseconds since 1970")
        at = instant(int(given)) if given else self._host.now()
        workers = self._host.workers()
        if not workers:
            raise LinkError("the code is not loaded")
        # Wrangler takes any text here, and so do handlers.
        told = await fired(self._host, Schedule(workers[0].worker, query.get("cron") or CRON), at)
        status = 200 if told["outcome"] == "ok" else 500
        if query.get("format") == "json":
            return JSONResponse({"outcome": told["outcome"], "noRetry": False}, status)
        return PlainTextResponse("ok" if status == 200 else "exception", status)
