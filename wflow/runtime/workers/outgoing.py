"""`fetch()`: an HTTP request from user code to somebody else's server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from wflow.runtime.loop import WorkflowLoop
from wflow.runtime.workers.request import Request
from wflow.runtime.workers.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from wflow.runtime.http import Request as AnyRequest

BODY_BYTES: Final = 100 * 1024 * 1024
"""What is read of an answer at most: it is kept in memory whole."""
CONNECT_S: Final = 30.0
"""How long it waits for a connection; for the answer it waits as long as the step may take."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()


async def fetch(
    resource: str | AnyRequest, options: Mapping[str, Any] | None = None, **named: Any
) -> Response:
    """Send a request, by URL or as a `Request`, with ``method``, ``headers``, ``body`` and ``redirect``.

    Redirects are followed unless ``redirect="manual"``. Raises OSError when no answer comes, or one beyond
    100 MiB, and RuntimeError in workflow code, where it belongs in a step.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, WorkflowLoop):
        raise RuntimeError(  # noqa: TRY004 - it is no matter of types
            "workflow code cannot fetch(): this is I/O; put it in a step (ctx.do)"
        )
    given = {name: value for name, value in {**(options or {}), **named}.items() if value is not None}
    return await _send(Request(resource, **given), _client(loop))


async def _send(request: Request, client: httpx.AsyncClient) -> Response:
    import httpx

    try:
        sent = client.build_request(
            request.method, request.url, headers=request.headers.items(), content=request.body
        )
        answer = await client.send(sent, stream=True, follow_redirects=request.redirect == "follow")
        try:
            body = await _read(answer)
        finally:
            await answer.aclose()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(
            f"{request.method} {request.url} failed: {str(error) or type(error).__name__}"
        ) from error
    if request.redirect == "error" and answer.is_redirect:
        raise OSError(f"{request.method} {request.url} was redirected")
    # The body is decoded by now, whatever it was packed in on its way.
    packed = {"content-encoding", "content-length", "transfer-encoding"}
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in packed]
    response = Response(body, answer.status_code, answer.reason_phrase, headers)
    response.url = str(answer.url)
    return response


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > BODY_BYTES:
            raise OSError(f"the answer of {answer.url} is larger than {BODY_BYTES:,} bytes")
    return bytes(body)


def _client(loop: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
    """Give the loop's client: its connections belong to a loop, and reading certificates takes a while."""
    import httpx

    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT_S))
    return client
