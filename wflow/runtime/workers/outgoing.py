"""`fetch()`: an HTTP request from user code to somebody else's server."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from wflow.runtime.loop import WorkflowLoop
from wflow.runtime.workers.request import Request
from wflow.runtime.workers.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import httpx

    from wflow.runtime.http import Request as AnyRequest

AT_ONCE_BYTES: Final = 64 * 1024
"""An answer that says to be no longer is read with its head, so that its connection is free again."""
CONNECT_S: Final = 30.0
"""How long it waits for a connection; for the answer it waits as long as the step may take."""
CONNECTIONS: Final = 1_000
"""Connections of one process at once; what more is asked waits for one."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()


async def fetch(
    resource: str | AnyRequest, options: Mapping[str, Any] | None = None, **named: Any
) -> Response:
    """Send a request, by URL or as a `Request`, with ``method``, ``headers``, ``body`` and ``redirect``.

    Bodies go both ways in pieces where they are streams, or long. Redirects are followed unless
    ``redirect="manual"``. With ``fetcher``, another Worker's `fetch`, that is asked. Raises OSError when no
    answer comes, and RuntimeError in workflow code, where it belongs in a step.
    """
    given = {name: value for name, value in {**(options or {}), **named}.items() if value is not None}
    if (fetcher := given.pop("fetcher", None)) is not None:
        answered: Response = await fetcher(resource, **given)
        return answered
    loop = asyncio.get_running_loop()
    if isinstance(loop, WorkflowLoop):
        raise RuntimeError(  # noqa: TRY004 - it is no matter of types
            "workflow code cannot fetch(): this is I/O; put it in a step (ctx.do)"
        )
    return await _send(Request(resource, **given), _client(loop))


async def _send(request: Request, client: httpx.AsyncClient) -> Response:
    import httpx

    try:
        sent = client.build_request(
            request.method, request.url, headers=request.headers.items(), content=request.sent()
        )
        answer = await client.send(sent, stream=True, follow_redirects=request.redirect == "follow")
        if request.redirect == "error" and answer.is_redirect:
            await answer.aclose()
            raise OSError(f"{request.method} {request.url} was redirected")
        body: bytes | _Coming = _Coming(answer)
        length = answer.headers.get("content-length", "")
        if answer.status_code in {204, 304} or (length.isdecimal() and int(length) <= AT_ONCE_BYTES):
            body = await answer.aread()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(request, error) from error
    # The body is decoded as it is read, whatever it is packed in on its way.
    packed = {"content-encoding", "content-length", "transfer-encoding"}
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in packed]
    response = Response(body, answer.status_code, answer.reason_phrase, headers)
    response.url, response.redirected = str(answer.url), bool(answer.history)
    return response


class _Coming:
    """An answer's body, as it comes; the connection is free again when it is over, or nobody knows it."""

    def __init__(self, answer: httpx.Response) -> None:
        loop = asyncio.get_running_loop()
        self._answer = answer
        self._pieces = answer.aiter_bytes()
        self._forgotten = weakref.finalize(self, _forget, answer, loop)
        self._forgotten.atexit = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        import httpx

        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            self._forgotten.detach()
            raise
        except httpx.HTTPError as error:
            self._forgotten.detach()
            raise OSError(f"the answer of {self._answer.url} broke off: {error}") from error

    async def aclose(self) -> None:
        if self._forgotten.detach() is not None:
            await self._answer.aclose()


def _forget(answer: httpx.Response, loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(answer.aclose()))


def _failed(request: Request, error: Exception) -> OSError:
    return OSError(f"{request.method} {request.url} failed: {str(error) or type(error).__name__}")


def _client(loop: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
    """Give the loop's client: its connections belong to a loop, and reading certificates takes a while."""
    import httpx

    client = _clients.get(loop)
    if client is None:
        timeout = httpx.Timeout(None, connect=CONNECT_S, pool=CONNECT_S)
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=100)
        client = _clients[loop] = httpx.AsyncClient(timeout=timeout, limits=limits)
    return client
