"""Answer a request with a WSGI application, such as Django's or Flask's: `wsgi.fetch(app, request, env)`.

The application runs in a thread, and finds the bindings in ``environ["workers.env"]``; it may `asyncio.run`
their calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from wflow.runtime.workers.response import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Self

    from wflow.runtime.body import Source
    from wflow.runtime.http import Request

    Start = tuple[int, list[tuple[str, str]]]

THREADS: Final = 64
"""Requests that WSGI applications of one process work on at once; the others wait."""
AHEAD: Final = 4
"""Pieces of its answer that an application may have made before the client has taken them."""

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="wflow-wsgi")


async def fetch(
    app: Callable[..., Any],
    request: Request,
    env: object,
    ctx: object = None,  # noqa: ARG001 - Cloudflare's has it
) -> Response:
    """Give the application's answer as soon as its first piece is there; raises what it raises before."""
    loop = asyncio.get_running_loop()
    exchange = _Exchange(loop)
    environ = _environ(request, env, _input(request.sent(), loop))
    context = contextvars.copy_context()
    running = loop.run_in_executor(_threads, context.run, exchange.run, app, environ)
    running.add_done_callback(exchange.ended)
    try:
        status, headers = await exchange.begun
    except asyncio.CancelledError:
        exchange.leave()
        raise
    return Response(exchange, status, headers=headers)


class _Exchange:
    """One request on its way through an application, which runs in a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.begun: asyncio.Future[Start] = loop.create_future()
        self._loop = loop
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(AHEAD)
        self._end: BaseException | bool = False
        self._start: Start | None = None
        self._written: list[bytes] = []
        self._gone = False

    # -- in the thread -----------------------------------------------------------------------------------

    def run(self, app: Callable[..., Any], environ: dict[str, Any]) -> None:
        result = app(environ, self._start_response)
        try:
            for piece in self._all(result):
                if self._gone:
                    return
                if piece:
                    self._begin()
                    asyncio.run_coroutine_threadsafe(self._pieces.put(piece), self._loop).result()
            self._begin()
        finally:
            with contextlib.closing(environ["wsgi.input"]):
                if hasattr(result, "close"):
                    result.close()

    def _all(self, result: Any) -> Iterator[bytes]:
        for piece in result:
            yield from self._written
            self._written.clear()
            yield piece
        yield from self._written

    def _begin(self) -> None:
        if self._start is None:
            raise RuntimeError("the WSGI application did not call start_response")
        self._loop.call_soon_threadsafe(self._tell, self._start)

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if exc_info is not None and self.begun.done():
            raise exc_info[1].with_traceback(exc_info[2])
        if self._start is not None and exc_info is None:
            raise RuntimeError("the WSGI application called start_response twice")
        self._start = int(status.split(None, 1)[0]), list(headers)
        return self._written.append

    # -- on the loop -------------------------------------------------------------------------------------

    def _tell(self, start: Start) -> None:
        if not self.begun.done():
            self.begun.set_result(start)

    def ended(self, running: asyncio.Future[None]) -> None:
        error = None if running.cancelled() else running.exception()
        if error is not None and not self.begun.done():
            self.begun.set_exception(error)
        self._end = error or True
        if self._pieces.empty():
            self._pieces.put_nowait(b"")

    def leave(self) -> None:
        """Want no more."""
        self._gone = True
        while not self._pieces.empty():
            self._pieces.get_nowait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not (self._end and self._pieces.empty()) and (piece := await self._pieces.get()):
            return piece
        self.leave()
        if isinstance(self._end, BaseException):
            raise self._end
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.leave()


class _Input(io.RawIOBase):
    """A body that comes on the loop, as a file for a thread."""

    def __init__(self, body: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._body = body
        self._loop = loop
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        if not self._rest:
            self._rest = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
        taken = self._rest[: len(room)]
        self._rest = self._rest[len(taken) :]
        room[: len(taken)] = taken
        return len(taken)

    async def _next(self) -> bytes:
        async for piece in self._body:
            return piece
        return b""


def _input(body: Source, loop: asyncio.AbstractEventLoop) -> io.BufferedIOBase:
    return io.BytesIO(body) if isinstance(body, bytes) else io.BufferedReader(_Input(body, loop))


def _environ(request: Request, env: object, body: io.BufferedIOBase) -> dict[str, Any]:
    url = urlsplit(request.url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": str(request.method),
        "SCRIPT_NAME": "",
        # PEP 3333: the bytes of the path, each as a character.
        "PATH_INFO": unquote(url.path or "/", "latin-1"),
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname or "localhost",
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.headers.get("cf-connecting-ip") or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "workers.env": env,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if isinstance(body, io.BytesIO):
        environ.setdefault("CONTENT_LENGTH", str(len(body.getvalue())))
    return environ
