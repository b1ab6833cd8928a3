"""Everything that is not the API goes to a Worker's `fetch`, as the client sent it."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from wflow.engine.names import MIB
from wflow.errors import InvalidInput, LinkError, TooLarge, WflowError
from wflow.server import bodies
from wflow.server.host import Host
from wflow.wire.envelope import REQUEST_ID
from wflow.wire.types import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from wflow.wire.types import Headers

BODY_BYTES: Final = 100 * MIB
"""A request's body, as Cloudflare's plans have it."""
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, 7.6.1: they are about one connection, so they end here."""

_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
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
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - a visitor gets an answer, whatever happened
            response = self._sorry(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        authority = _authority_of(request)
        worker = self.front.worker(self.host, authority)
        body = await bodies.read(request, limit=BODY_BYTES)
        raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
        query = request.scope["query_string"]
        url = f"{request.scope['scheme']}://{authority}{raw_path.decode('latin-1')}"
        given = HttpRequest(
            method=request.method,
            url=f"{url}?{query.decode('latin-1')}" if query else url,
            headers=end_to_end(request.headers.items()),
            body=body,
        )
        return respond(await self.host.fetch(worker, given), method=request.method)

    def _sorry(self, request: Request, error: Exception) -> Response:
        match error:
            case InvalidInput():
                return _page(404, _told(error))
            case TooLarge():
                return _page(413, _told(error))
        request_id = secrets.token_hex(8)
        _log.error(
            "%s %s failed (request id %s)", request.method, request.scope["path"], request_id, exc_info=error
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


def respond(answer: HttpAnswer, *, method: str) -> Response:
    """Turn a Worker's answer into bytes on the wire; raises ValueError for one that HTTP cannot carry."""
    if not 200 <= answer.status <= 599:
        raise ValueError(f"the Worker answered with the status {answer.status}; it must be from 200 to 599")
    bodiless = method == "HEAD" or answer.status in {204, 205, 304}
    response = Response(b"" if bodiless else answer.body, answer.status)
    headers = [
        (name, value) for name, value in end_to_end(answer.headers) if name.lower() != "content-length"
    ]
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"the Worker answered with a header that HTTP cannot carry: {name!r}")
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
    ]
    if answer.status not in {204, 304}:
        length = 0 if answer.status == 205 else len(answer.body)
        response.raw_headers.append((b"content-length", str(length).encode()))
    return response


def end_to_end(headers: Headers) -> Headers:
    """Leave out the headers that are about one connection, and those that `Connection` names."""
    named = {
        name.strip().lower()
        for key, value in headers
        if key.lower() == "connection"
        for name in value.split(",")
    }
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | named]


def _authority_of(request: Request) -> str:
    """Give what the client calls us, if it does; raises InvalidInput for what is no host."""
    given = request.headers.get("host")
    if given:
        if not _AUTHORITY.fullmatch(given):
            raise InvalidInput("the Host header is no host name")
        return given
    server = request.scope.get("server")
    return "localhost" if server is None or server[1] is None else f"{server[0]}:{server[1]}"


def _told(error: Exception) -> str:
    if not isinstance(error, WflowError):
        return f"{type(error).__name__}: {error}"
    return error.message if error.hint is None else f"{error.message}\n\nhint: {error.hint}"


def _page(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)
