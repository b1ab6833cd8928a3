"""The ASGI app: the API below its prefix, `/healthz`, and a Worker behind every other path."""

from __future__ import annotations

import logging
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Path

from wflow import catalogue
from wflow.server import routes
from wflow.server.auth import admit
from wflow.server.front import Door
from wflow.server.route import Call, Route, Site
from wflow.wire import envelope
from wflow.wire.envelope import ACCOUNT, PREFIX, REQUEST_ID, NoSuchRoute, WrongMethod

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from wflow.server.auth import Auth
    from wflow.server.front import Front
    from wflow.server.host import Host

JSON: Final = "application/json"
RETRY_AFTER_S: Final = 1

_log = logging.getLogger("wflow.server")


def build(host: Host, *, auth: Auth, front: Front) -> Starlette:
    """Make the app of a runner; `front` has the two ways of addressing Workers, DEV and RUNNER."""
    site = Site(host=host, auth=auth)
    by_path: dict[str, dict[str, Route]] = defaultdict(dict)
    for _, module in catalogue.modules(routes):
        for route in module.routes:
            by_path[route.path][route.method] = route
    return Starlette(
        routes=[
            Path("/healthz", _healthy),
            *(Path(f"{PREFIX}{path}", Endpoint(site, methods)) for path, methods in by_path.items()),
            Path(PREFIX, Endpoint(site, {})),
            Path(f"{PREFIX}/{{rest:path}}", Endpoint(site, {})),
            Path("/{path:path}", Door(host, front)),
        ]
    )


class Endpoint:
    """One path of the API with its methods; always answers with an envelope and a request id."""

    def __init__(self, site: Site, methods: dict[str, Route]) -> None:
        """Serve ``methods``; without any, nothing lies at this path."""
        self._site = site
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        request_id = secrets.token_hex(8)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - every failure becomes an envelope
            response = self._refusal(error, request, request_id)
        response.headers[REQUEST_ID] = request_id
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        route = self._route_for(request)
        caller = await admit(self._site.auth, request, route.scope)
        if request.path_params.get("account", ACCOUNT) != ACCOUNT:
            raise NoSuchRoute(f"this runner has one account, {ACCOUNT!r}")
        answer = await route.answer(Call(site=self._site, request=request, caller=caller))
        if isinstance(answer, Response):
            return answer
        return Response(envelope.done(answer.result, answer.info), media_type=JSON)

    def _route_for(self, request: Request) -> Route:
        route = self._methods.get(request.method)
        if route is not None:
            return route
        path = request.scope["path"][:200]
        if not self._methods:
            raise NoSuchRoute(f"nothing lies at {path}")
        raise WrongMethod(f"{path} takes {', '.join(self._methods)}, not {request.method[:20]}")

    def _refusal(self, error: Exception, request: Request, request_id: str) -> Response:
        status = envelope.status_of(error)
        if status == 500:
            path = request.scope["path"]
            _log.error("%s %s failed (request id %s)", request.method, path, request_id, exc_info=error)
        body = envelope.refused(envelope.problem_of(error, request_id))
        response = Response(body, status, media_type=JSON)
        match status:
            case 401:
                response.headers["www-authenticate"] = "Bearer"
            case 405:
                response.headers["allow"] = ", ".join(self._methods)
            case 429:
                response.headers["retry-after"] = str(RETRY_AFTER_S)
        return response


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})
