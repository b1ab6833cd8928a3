"""Answer a request with an ASGI application, such as one made with FastAPI: `asgi.fetch(app, request, env)`.

The application finds the bindings in ``scope["env"]``. Bodies are given and taken whole; there is no
lifespan and no WebSocket.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from wflow.runtime.execution import wait_until
from wflow.runtime.workers.response import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from wflow.runtime.http import Request

    Message = MutableMapping[str, Any]
    Application = Callable[..., Awaitable[None]]

BODY_BYTES: Final = 100 * 1024 * 1024
"""What an application may answer: it is kept in memory whole, and a stream would never end."""


async def fetch(
    app: Application,
    request: Request,
    env: object,
    ctx: object = None,  # noqa: ARG001 - Cloudflare's has it
) -> Response:
    """Give the application's answer as soon as it is complete; what the application does after goes on.

    Raises what the application raises before its answer is complete, RuntimeError when there is none.
    """
    exchange = _Exchange(await request.bytes())
    running = asyncio.ensure_future(exchange.run(app, _scope(request, env)))
    try:
        await exchange.ended.wait()
    except asyncio.CancelledError:
        running.cancel()
        raise
    if exchange.complete:
        wait_until(running)
        return exchange.response()
    await running
    raise RuntimeError("the ASGI application gave no complete response")


class _Exchange:
    """One request on its way through an application."""

    def __init__(self, body: bytes) -> None:
        self.ended = asyncio.Event()
        self.complete = False
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._status: int | None = None
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    async def run(self, app: Application, scope: Message) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            self.ended.set()

    def response(self) -> Response:
        assert self._status is not None
        return Response(bytes(self._body), self._status, headers=self._headers)

    async def _receive(self) -> Message:
        message, self._request = self._request, None
        if message is not None:
            return message
        await self.ended.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self.ended.is_set():
            return
        match message["type"]:
            case "http.response.start" if self._status is None:
                self._status = message["status"]
                pairs = message.get("headers", ())
                self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
            case "http.response.body" if self._status is not None:
                self._body += message.get("body", b"")
                if len(self._body) > BODY_BYTES:
                    raise RuntimeError(
                        f"the answer is larger than {BODY_BYTES:,} bytes; wflow has no streams"
                    )
                if not message.get("more_body", False):
                    self.complete = True
                    self.ended.set()
            case other:
                raise RuntimeError(f"the ASGI application sent {other!r}, which has no place here")


def _scope(request: Request, env: object) -> Message:
    url = urlsplit(request.url)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": str(request.method),
        "scheme": url.scheme,
        "path": unquote(url.path) or "/",
        "raw_path": url.path.encode() or b"/",
        "query_string": url.query.encode(),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
        ],
        "client": None,
        "server": (url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 80)),
        "extensions": {},
        "env": env,
    }
