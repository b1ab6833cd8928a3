"""`env.OTHER`, as user code holds it: `fetch` with Requests and Responses, and the other Worker's methods."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from wflow.bindings import service
from wflow.runtime.execution import depth
from wflow.runtime.loop import WorkflowLoop
from wflow.runtime.workers.request import Request
from wflow.runtime.workers.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from wflow.bindings.binding import Send
    from wflow.runtime.http import Request as AnyRequest


class Service(service.Service):
    """Another Worker of the runner."""

    def __init__(self, send: Send) -> None:
        """Call the provider by ``send``."""
        super().__init__(send, depth)

    async def fetch(
        self, resource: str | AnyRequest, options: Mapping[str, Any] | None = None, **named: Any
    ) -> Response:
        """Ask the other Worker's `fetch`, with a URL or a `Request`, as the module's `fetch` does.

        The request's body is handed over whole, the answer's comes in pieces. Raises what the binding does.
        """
        given = {name: value for name, value in {**(options or {}), **named}.items() if value is not None}
        request = Request(resource, **given)
        headers = [list(pair) for pair in request.headers.items()]
        whole = isinstance(asyncio.get_running_loop(), WorkflowLoop)
        body = request.sent()
        raw = body if isinstance(body, bytes) else b"".join([piece async for piece in body])
        asked = [str(request.method), request.url, headers, raw, whole, self._depth()]
        answered: Any = await self._send("fetch", asked)
        status, pairs, begun, number = answered
        source = begun if number is None else _Coming(self._send, number)
        response = Response(source, status, headers=[(name, value) for name, value in pairs])
        response.url = request.url
        return response


class _Coming:
    """An answer's body, asked for piece by piece."""

    def __init__(self, send: Send, number: str) -> None:
        self._send = send
        self._number = number
        self._over = False
        self._forgotten = weakref.finalize(self, _forget, send, number, asyncio.get_running_loop())
        self._forgotten.atexit = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece: Any = None if self._over else await self._send("read", [self._number])
        if piece is None:
            self._over = True
            self._forgotten.detach()
            raise StopAsyncIteration
        return bytes(piece)

    async def aclose(self) -> None:
        if not self._over:
            self._over = True
            self._forgotten.detach()
            await self._send("close", [self._number])


def _forget(send: Send, number: str, loop: asyncio.AbstractEventLoop) -> None:
    """Let go of an answer's body that nobody knows any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(_close(send, number), loop=loop))


async def _close(send: Send, number: str) -> None:
    with contextlib.suppress(Exception):  # the runner may be gone, and then it is over anyway
        await send("close", [number])
