"""A visitor's request on its way to a Worker, and the answer on its way back; both may be streams."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from wflow.engine.names import KIB, MIB
from wflow.errors import LinkError, TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from wflow.wire.types import Headers, HttpAnswer, Rest

BODY_BYTES: Final = 16 * 1024 * MIB
"""A request's body; it goes to the Worker in pieces as the Worker takes them."""
AT_ONCE_BYTES: Final = 64 * KIB
"""A body that is not longer than this goes along with its request."""
STALLED_S: Final = 300.0
"""A client that takes nothing of an answer for so long is gone."""
BODILESS: Final = frozenset({204, 205, 304})
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

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PATH_CHARS: Final = 2_000
_log = logging.getLogger("wflow.server")


class Departed(ClientDisconnect, ConnectionError):
    """The client left before its request was there."""


class Visit:
    """A context in which a client is listened to: when it leaves, the block is cancelled.

    Raises ClientDisconnect then.
    """

    def __init__(self, request: Request) -> None:
        """Listen to who sent ``request``."""
        self._declared = request.headers.get("content-length", "")
        self._receive: Receive = request.receive
        self._is_read = asyncio.Event()
        self._gone = False

    async def body(self) -> tuple[bytes, AsyncIterator[bytes] | None]:
        """Give the body, or its beginning and what gives the rest.

        Raises TooLarge beyond BODY_BYTES, at once when it says its length; so may the rest.
        """
        length = int(self._declared) if self._declared.isdecimal() and len(self._declared) <= 18 else None
        if (length or 0) > BODY_BYTES or len(self._declared) > 18:
            raise _too_large()
        first = bytearray()
        while True:
            first += await self._more()
            if self._is_read.is_set() and len(first) <= AT_ONCE_BYTES:
                return bytes(first), None
            if length is None or length > AT_ONCE_BYTES or self._is_read.is_set():
                return bytes(first[:AT_ONCE_BYTES]), self._rest(bytes(first[AT_ONCE_BYTES:]))

    async def _rest(self, begun: bytes) -> AsyncIterator[bytes]:
        size = AT_ONCE_BYTES
        while True:
            size += len(begun)
            if size > BODY_BYTES:
                raise _too_large()
            if begun:
                yield begun
            if self._is_read.is_set():
                return
            begun = await self._more()

    async def _more(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Departed
        if not message.get("more_body", False):
            self._is_read.set()
        return message.get("body", b"")  # type: ignore[no-any-return]  # ASGI says so

    async def __aenter__(self) -> Self:
        """Listen."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._before = task, task.cancelling()
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self._watching.cancel()
        if self._gone and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise ClientDisconnect from None

    async def _watch(self) -> None:
        """Wait for the client to leave, once its request is read; before, reading it tells."""
        await self._is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()


def respond(answer: HttpAnswer, *, method: str) -> Response:
    """Turn a Worker's answer into what goes over the wire; raises ValueError for what HTTP cannot carry."""
    if not 200 <= answer.status <= 599:
        raise ValueError(f"the Worker answered with the status {answer.status}; it must be from 200 to 599")
    bodiless = method == "HEAD" or answer.status in BODILESS
    length = len(answer.body) if answer.rest is None else answer.length
    headers = []
    for name, value in end_to_end(answer.headers):
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"the Worker answered with a header that HTTP cannot carry: {name!r}")
        if name.lower() == "date":
            continue  # the server's own goes along
        if name.lower() != "content-length":
            headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        elif length is None and value.isdecimal() and len(value) <= 18:
            length = int(value)
    if answer.status == 205:
        length = 0
    if answer.status not in {204, 304} and length is not None:
        headers.append((b"content-length", str(length).encode()))
    if answer.rest is None:
        response = Response(b"" if bodiless else answer.body, answer.status)
    else:
        response = Relayed(answer.rest, answer.status, length=length, bodiless=bodiless)
    response.raw_headers = headers
    return response


class Relayed(Response):
    """An answer whose body comes piece by piece; when it breaks off, so does the connection."""

    def __init__(self, rest: Rest, status: int, *, length: int | None, bodiless: bool) -> None:
        """Relay ``rest``, of ``length`` bytes if that is known; a ``bodiless`` answer wants none of it."""
        super().__init__(b"", status)
        self._rest = rest
        self._length = length
        self._bodiless = bodiless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; the server ends the connection of one that is not sent to its end."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        try:
            await send(start)
            if not self._bodiless:
                await self._relay(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (LinkError, TimeoutError) as broken:
            why = broken.message if isinstance(broken, LinkError) else "the client takes nothing"
            _log.warning("%s %s broke off: %s", scope["method"], path_of(scope), why)
        finally:
            await self._rest.aclose()

    async def _relay(self, send: Send) -> None:
        sent = 0
        async for piece in self._rest:
            sent += len(piece)
            if self._length is not None and sent > self._length:
                raise LinkError(f"the Worker gives more than the {self._length:,} bytes that it declared")
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._length is not None and sent < self._length:
            raise LinkError(f"the Worker gave {sent:,} of the {self._length:,} bytes that it declared")


def path_of(scope: Scope) -> str:
    """Give a request's path for the log, in which an encoded line break begins no other line."""
    return quote(scope["path"][:_PATH_CHARS])


def end_to_end(headers: Headers) -> Headers:
    """Leave out the headers that are about one connection, and those that `Connection` names."""
    named = {
        name.strip().lower()
        for key, value in headers
        if key.lower() == "connection"
        for name in value.split(",")
    }
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | named]


def _too_large() -> TooLarge:
    return TooLarge(f"the request's body is larger than {BODY_BYTES:,} bytes, which is the limit")
