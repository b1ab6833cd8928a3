"""Answer a request with an ASGI application, such as one made with FastAPI: `asgi.fetch(app, request, env)`.

The application finds the bindings in ``scope["env"]``. Bodies go both ways in pieces, as they come. Its
lifespan begins with the first request and ends with the process, without a word: that may end at any instant.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import unquote, urlsplit

from wflow.runtime.execution import wait_until
from wflow.runtime.workers import lifespan
from wflow.runtime.workers.response import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Self

    from wflow.runtime.body import Source
    from wflow.runtime.http import Request

    Message = MutableMapping[str, Any]
    Application = Callable[..., Awaitable[None]]

AHEAD: Final = 4
"""Pieces of its answer that an application may have sent before the client has taken them."""
_END: Final = b""


async def fetch(
    app: Application,
    request: Request,
    env: object,
    ctx: object = None,  # noqa: ARG001 - Cloudflare's has it
) -> Response:
    """Give the application's answer as soon as it begins; what the application does after its end goes on.

    Raises what the application raises before its answer has begun, RuntimeError when there is none.
    """
    state = await lifespan.state_of(app)
    exchange = _Exchange(request.sent())
    running = asyncio.ensure_future(exchange.run(app, _scope(request, env, state)))
    try:
        await exchange.begun.wait()
    except asyncio.CancelledError:
        running.cancel()
        raise
    if not exchange.answers:
        await running
        raise RuntimeError("the ASGI application gave no complete response")
    wait_until(running)
    return exchange.response()


async def websocket(*_given: object) -> NoReturn:
    """Refuse: raises TypeError."""
    raise TypeError("wflow has no WebSockets")


def __getattr__(name: str) -> Any:
    if name == "env":  # Cloudflare's: a parameter of a FastAPI route that gets the bindings
        from fastapi import Depends, Request  # type: ignore[import-not-found,unused-ignore]  # the user's

        async def bindings(request: Request) -> Any:
            return request.scope["env"]

        bindings.__annotations__["request"] = Request
        return Depends(bindings)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Exchange:
    """One request on its way through an application."""

    def __init__(self, body: Source) -> None:
        self.begun = asyncio.Event()
        self.answers = False
        self._over = asyncio.Event()
        self._asked = body
        self._read = False
        self._status: int | None = None
        self._headers: list[tuple[str, str]] = []
        self._whole: bytes | None = None
        self._complete = self._finished = False
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(AHEAD)
        self._error: BaseException | None = None

    async def run(self, app: Application, scope: Message) -> None:
        try:
            await app(scope, self._receive, self._send)
            if self.answers and not self._complete:
                raise RuntimeError("the ASGI application gave no complete response")  # noqa: TRY301 - as its own
        except BaseException as error:
            # In the midst of an answer whoever reads that is told, else whoever waits for this.
            if not self.answers or self._complete:
                raise
            self._error = error
        finally:
            self.begun.set()
            self._finished = True
            if self._pieces.empty():
                self._pieces.put_nowait(_END)

    def response(self) -> Response:
        assert self._status is not None
        return Response(self if self._whole is None else self._whole, self._status, headers=self._headers)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not (self._finished and self._pieces.empty()) and (piece := await self._pieces.get()) != _END:
            return piece
        await self.aclose()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Want no more of the answer; the application may be about to send more."""
        self._over.set()
        while not self._pieces.empty():
            self._pieces.get_nowait()

    async def _receive(self) -> Message:
        if not isinstance(self._asked, bytes):
            async for piece in self._asked:
                return {"type": "http.request", "body": piece, "more_body": True}
            self._asked = b""
        if not self._read:
            self._read = True
            return {"type": "http.request", "body": self._asked, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._over.is_set():
            return
        match message["type"]:
            case "http.response.start" if self._status is None:
                self._status = message["status"]
                pairs = message.get("headers", ())
                self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
            case "http.response.body" if self._status is not None:
                await self._answer(bytes(message.get("body", b"")), more=message.get("more_body", False))
            case other:
                raise RuntimeError(f"the ASGI application sent {other!r}, which has no place here")

    async def _answer(self, piece: bytes, *, more: bool) -> None:
        self._complete = not more
        if not self.answers:
            self.answers = True
            self._whole = None if more else piece
            self.begun.set()
        if self._whole is not None:
            self._over.set()
            return
        if piece:
            await self._put(piece)
        if not more:
            await self._put(_END)

    async def _put(self, piece: bytes) -> None:
        if not self._over.is_set():
            await self._pieces.put(piece)


def _scope(request: Request, env: object, state: Message | None) -> Message:
    url = urlsplit(request.url)
    client = request.headers.get("cf-connecting-ip")
    scope = {
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
        "client": (client, 0) if client else None,
        "server": (url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 80)),
        "extensions": {},
        "env": env,
    }
    return scope if state is None else {**scope, "state": dict(state)}
