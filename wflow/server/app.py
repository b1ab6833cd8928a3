"""The ASGI app: the API below its prefix, `/healthz`, and a Worker behind every other path."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from wflow.errors import TooMany
from wflow.server.auth import admit
from wflow.server.by_hand import PATHS, ByHand
from wflow.server.front import Door
from wflow.server.passes import Passing
from wflow.server.route import Call, Site
from wflow.server.table import Table, table
from wflow.server.upgrade import Upgrades
from wflow.server.visit import path_of
from wflow.wire import envelope
from wflow.wire.envelope import ACCOUNT, PREFIX, REQUEST_ID, NoSuchRoute

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from wflow.server.auth import Auth
    from wflow.server.front import Front
    from wflow.server.host import Host

JSON: Final = "application/json"
HEALTH: Final = "/healthz"
RETRY_AFTER_S: Final = 1

_log = logging.getLogger("wflow.server")


def build(host: Host, *, auth: Auth, front: Front) -> App:
    """Make the app of a runner; `front` has the two ways of addressing Workers, DEV and RUNNER."""
    api = Api(Site(host=host, auth=Passing(auth=auth, host=host)), table())
    return App(api, Door(host, front), ByHand(host, auth) if front.tells else None)


class App:
    """The first fork of the way. Neither end lets an error out, so nothing needs to stand before them."""

    def __init__(self, api: Api, door: Door, by_hand: ByHand | None) -> None:
        """Lead to these; only a dev session has the last one."""
        self.api = api
        self._door = door
        self._by_hand = by_hand
        self._upgrades = Upgrades(self._lead)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._upgrades(scope, receive, send)

    async def _lead(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        end: ASGIApp = self._door
        if path.startswith(PREFIX) and (path == PREFIX or path[len(PREFIX)] == "/"):
            end = self.api
        elif self._by_hand is not None and path in PATHS:
            end = self._by_hand
        elif path == HEALTH and scope["method"] in {"GET", "HEAD"}:
            end = JSONResponse({"status": "ok"})
        await end(scope, receive, send)


class Api:
    """All that lies below the API's prefix; always answers with an envelope and a request id."""

    def __init__(self, site: Site, routes: Table) -> None:
        """Serve ``routes``."""
        self.site = site
        self._routes = routes
        self._started = secrets.token_hex(4)
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._requests += 1
        request_id = f"{self._started}{self._requests:08x}"
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - every failure becomes an envelope
            response = self._refusal(error, request, request_id)
        response.raw_headers.append((_REQUEST_ID, request_id.encode()))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        scope = request.scope
        route, parts = self._routes.find(_sent(scope), scope["method"])
        scope["path_params"] = parts
        caller = await admit(self.site.auth, request, route.scope)
        if parts.get("account", ACCOUNT) != ACCOUNT:
            raise NoSuchRoute(f"this runner has one account, {ACCOUNT!r}")
        answer = await route.answer(Call(site=self.site, request=request, caller=caller))
        if isinstance(answer, Response):
            return answer
        return Response(envelope.done(answer.result, answer.info), media_type=JSON)

    def _refusal(self, error: Exception, request: Request, request_id: str) -> Response:
        status = envelope.status_of(error)
        if status == 500:
            path = path_of(request.scope)
            _log.error("%s %s failed (request id %s)", request.method, path, request_id, exc_info=error)
        body = envelope.refused(envelope.problem_of(error, request_id))
        response = Response(body, status, media_type=JSON)
        match status:
            case 401:
                response.headers["www-authenticate"] = "Bearer"
            case 405:
                response.headers["allow"] = ", ".join(self._routes.methods(_sent(request.scope)))
            case 429:
                after_s = error.retry_after_s if isinstance(error, TooMany) else RETRY_AFTER_S
                response.headers["retry-after"] = str(after_s)
        return response


def _sent(scope: Scope) -> str:
    """Give the path as it was sent: once decoded, a slash within a part looks like one between two."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("latin-1")


_REQUEST_ID: Final = REQUEST_ID.encode()
