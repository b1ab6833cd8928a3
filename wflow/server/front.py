"""Everything that is not the API goes to a Worker's `fetch`, as the client sent it."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from wflow.errors import InvalidInput, LinkError, LoadError, TooLarge, WflowError
from wflow.link import mishap
from wflow.server import mishaps
from wflow.server.host import Host
from wflow.server.upgrade import socket_of
from wflow.server.visit import Visit, end_to_end, path_of, respond
from wflow.wire.envelope import REQUEST_ID
from wflow.wire.types import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from wflow.wire.types import Headers

SORRY: Final = b"The Worker failed to answer; its log says why.\n"
NO_SOCKETS: Final = "wflow has no WebSockets; a Worker answers HTTP requests, Server-Sent Events among them."
CLIENT: Final = "cf-connecting-ip"
"""The header by which a Worker hears who its visitor is; whatever the visitor says there is left out."""

_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_log = logging.getLogger("wflow.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """How Workers are addressed, given the Host header, and whether a visitor is told why one failed."""

    worker: Callable[[Host, str], str | None]
    tells: bool


def only_worker(_host: Host, _authority: str) -> None:
    """Choose the dev session's Worker, whatever the Host."""


def worker_by_name(host: Host, authority: str) -> str:
    """Choose the Worker that the Host's first label names, else the only one; raises InvalidInput."""
    names = [version.worker for version in host.workers()]
    label = authority.partition(":")[0].partition(".")[0].lower()
    for name in names:
        if name.lower() == label:
            return name
    if len(names) == 1:
        return names[0]
    if not names:
        raise InvalidInput("no Worker is deployed here yet", hint="`wflow deploy` deploys one")
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise InvalidInput(
        f"this runner has {len(names)} Workers: {listed}",
        hint=f"name one by the first label of the host: `curl -H 'Host: {names[0]}.localhost' ...`",
    )


DEV: Final = Front(worker=only_worker, tells=True)
RUNNER: Final = Front(worker=worker_by_name, tells=False)


@dataclass(frozen=True, slots=True)
class Door:
    """The ASGI end of it."""

    host: Host
    front: Front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, always."""
        request = Request(scope, receive, send)
        try:
            async with Visit(request) as visit:
                try:
                    response = await self._answer(request, visit)
                except ClientDisconnect:
                    return
                except Exception as error:  # noqa: BLE001 - a visitor gets an answer, whatever happened
                    response = self._sorry(request, error)
                await response(scope, receive, send)
        except ClientDisconnect:
            return

    async def _answer(self, request: Request, visit: Visit) -> Response:
        authority = _authority_of(request)
        worker = self.front.worker(self.host, authority)
        if socket_of(request) is not None:
            return _page(501, NO_SOCKETS)
        body, rest = await visit.body()
        raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
        query = request.scope["query_string"]
        # `OPTIONS *` has no slash, and the host is not to go on with it.
        path = "/" + raw_path.decode("latin-1").removeprefix("/")
        url = f"{request.scope['scheme']}://{authority}{path}"
        given = HttpRequest(
            method=request.method,
            url=f"{url}?{query.decode('latin-1')}" if query else url,
            headers=_headers_of(request),
            body=body,
            rest=rest,
        )
        answer = await self.host.fetch(worker, given)
        try:
            return respond(self._shown(answer, given), method=request.method)
        except BaseException:
            if answer.rest is not None:
                await answer.rest.aclose()
            raise

    def _shown(self, answer: HttpAnswer, request: HttpRequest) -> HttpAnswer:
        """Make what a handler raised readable, for a browser or for a terminal; hide it from strangers."""
        if not answer.mishap:
            return answer
        told = mishap.decode(answer.mishap) if self.front.tells else None
        if told is None:
            return msgspec.structs.replace(answer, body=SORRY)
        accepted = next((value for name, value in request.headers if name == "accept"), "")
        if "text/html" not in accepted:
            return msgspec.structs.replace(answer, body=mishaps.text(told, answer.body))
        headers = [("content-type", "text/html; charset=utf-8")]
        return msgspec.structs.replace(answer, headers=headers, body=mishaps.page(told, request))

    def _sorry(self, request: Request, error: Exception) -> Response:
        match error:
            case InvalidInput():
                return _page(404, _told(error))
            case TooLarge():
                return _page(413, _told(error))
        request_id = secrets.token_hex(8)
        # Where in our own code it was raised says nothing of code that does not load, or a process that died.
        is_theirs = isinstance(error, LoadError | LinkError)
        _log.error(
            "%s %s failed (request id %s)%s",
            request.method,
            path_of(request.scope),
            request_id,
            f": {error.message}" if isinstance(error, WflowError) else "",
            exc_info=None if is_theirs else error,
        )
        if isinstance(error, LinkError):
            status, plain = 503, "The Worker's runtime is down for now; try again in a moment."
        else:
            status, plain = 500, "The Worker did not answer."
        told = _told(error) if self.front.tells else f"{plain}\nRequest id: {request_id}"
        response = _page(status, told)
        response.headers[REQUEST_ID] = request_id
        if status == 503:
            response.headers["retry-after"] = "1"
        return response


def _headers_of(request: Request) -> Headers:
    headers = [(name, value) for name, value in end_to_end(request.headers.items()) if name != CLIENT]
    client = request.scope.get("client")
    return [*headers, (CLIENT, client[0])] if client else headers


def _authority_of(request: Request) -> str:
    """Give what the client calls us, if it does; raises InvalidInput for what is no host."""
    given, *more = request.headers.getlist("host") or [""]
    if given or more:
        if more or not _AUTHORITY.fullmatch(given):
            raise InvalidInput("the Host header is no host name")
        return given
    server = request.scope.get("server")
    return "localhost" if server is None or server[1] is None else f"{server[0]}:{server[1]}"


def _told(error: Exception) -> str:
    if not isinstance(error, WflowError):
        return f"{type(error).__name__}: {error}"
    trace = error.trace.rstrip() if isinstance(error, LoadError) else ""
    hint = "" if error.hint is None else f"hint: {error.hint}"
    return "\n\n".join(filter(None, (error.message, trace, hint)))


def _page(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)
