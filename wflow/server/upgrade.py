"""A request for a WebSocket is a GET like any other, until its answer takes the WebSocket.

So it is admitted, routed and refused as every request is; and a Worker, which takes no WebSocket, hears of it
as of the plain request that it also is. What is not taken is refused with the answer (RFC 6455, 4.2.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from wflow.engine.names import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SLOW_S: Final = 15.0
"""A message that a client does not take within this is the last one: nothing is kept for it."""
GOODBYE_S: Final = 1.0
"""How long it may take to tell it so."""
REFUSAL_BYTES: Final = 1 * MIB
"""Of a streamed answer that refuses a WebSocket; nobody reads one that does not end."""

_SOCKET: Final = "wflow.socket"
_SCHEMES: Final = {"ws": "http", "wss": "https"}
_TOO_SLOW: Final = 1013
_BROKEN: Final = 1011
_log = logging.getLogger("wflow.server")


class Upgrades:
    """Middleware that shows requests for a WebSocket to the app as GETs; `socket_of` tells them apart."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        request = {
            **scope,
            "type": "http",
            "method": "GET",
            "scheme": _SCHEMES.get(scope["scheme"], scope["scheme"]),
            _SOCKET: WebSocket(scope, receive, send),
        }
        plain = _Plain(receive, send)
        with contextlib.suppress(ClientDisconnect):
            await self._app(request, plain.receive, plain.send)


def socket_of(request: HTTPConnection) -> WebSocket | None:
    """Give the WebSocket that a request asks for; None when it asks for none."""
    socket: WebSocket | None = request.scope.get(_SOCKET)
    return socket


class Pushed(Response):
    """The answer that takes the WebSocket: one message after the other, then the reason for which it ends.

    ``farewell`` is asked for that, a close code and a few words, when ``texts`` are over. What the client
    says is not listened to.
    """

    def __init__(
        self,
        socket: WebSocket,
        texts: AsyncGenerator[str, None],
        farewell: Callable[[], tuple[int, str]],
    ) -> None:
        """Be ready; nothing is accepted yet."""
        super().__init__()
        self._socket = socket
        self._texts = texts
        self._farewell = farewell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept, and push until there is no more, or the client is gone."""
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        await self._socket.accept(headers=headers)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._push()), loop.create_task(_gone(self._socket))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _push(self) -> None:
        try:
            code, reason = await self._push_all()
        except WebSocketDisconnect:
            return
        except Exception:  # noqa: BLE001 - whatever it is, the client is told that it is over
            _log.exception("what is sent through a WebSocket broke")
            code, reason = _BROKEN, "the runner's log tells more"
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(GOODBYE_S):
                await self._socket.close(code, reason)

    async def _push_all(self) -> tuple[int, str]:
        async with aclosing(self._texts):
            async for text in self._texts:
                try:
                    async with asyncio.timeout(SLOW_S):
                        await self._socket.send_text(text)
                except TimeoutError:
                    return _TOO_SLOW, f"too slow: nothing was taken for {SLOW_S:g} s; go on with a cursor"
        return self._farewell()


class _Plain:
    """A WebSocket's two ends as those of a plain request without a body."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._asked = False
        self._streamed = 0

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message.get("more_body"):
            self._streamed += len(message["body"])
            if self._streamed > REFUSAL_BYTES:
                await self._send({"type": "websocket.http.response.body", "body": b"", "more_body": False})
                raise ClientDisconnect
        await self._send({**message, "type": f"websocket.{message['type']}"})


async def _gone(socket: WebSocket) -> None:
    """Wait until the client has left."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
