"""The body of a request or of an answer: bytes at hand, or pieces that come; it can be read once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final

from wflow.errors import TooLarge
from wflow.runtime.forms import Blob, FormData

if TYPE_CHECKING:
    from typing import Self

WHOLE_BYTES: Final = 100 * 1024 * 1024
"""What is read of a body at once: `bytes()`, `text()`, `json()`, `form_data()`, and what clones have kept."""

Source = bytes | AsyncIterator[bytes]


class BodyUsed(OSError):
    """A body is asked for that was read already."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("Body already used: it can be read once; clone() it before, to read it twice")


class Chunk(bytes):
    """A piece of a body; Cloudflare's are JavaScript's, which know these two methods."""

    __slots__ = ()

    def to_bytes(self) -> bytes:
        """Give it as bytes."""
        return bytes(self)

    to_py = to_bytes


class Body:
    """A body, and whether it was read."""

    __slots__ = ("_pieces", "_whole", "used")

    def __init__(self, source: Source = b"") -> None:
        """Hold bytes, or what gives them."""
        self._whole: bytes = source if isinstance(source, bytes) else b""
        self._pieces: AsyncIterator[bytes] | None = None if isinstance(source, bytes) else source
        self.used = False

    @property
    def empty(self) -> bool:
        """Whether it is known to have nothing in it."""
        return not self._whole and self._pieces is None

    def take(self) -> Source:
        """Give what is in it, for somebody else to read; raises BodyUsed."""
        self._use()
        return self._whole if self._pieces is None else self._pieces

    def send(self) -> Source:
        """Give what is in it, to be sent: a stream once, bytes as often as somebody asks."""
        return self._whole if self._pieces is None else self.take()

    async def read(self) -> bytes:
        """Give all of it; raises BodyUsed, TooLarge beyond WHOLE_BYTES, and what its source raises."""
        self._use()
        if self._pieces is None:
            return self._whole
        try:
            return await _whole(self._pieces)
        except BaseException:
            await close(self._pieces)
            raise

    def branch(self) -> Body:
        """Make another one of the same; each can be read. Raises BodyUsed."""
        if self.used:
            raise BodyUsed
        if self._pieces is None:
            return Body(self._whole)
        tee = _Tee(self._pieces)
        self._pieces = tee.branch(0)
        return Body(tee.branch(1))

    def _use(self) -> None:
        if self.used:
            raise BodyUsed
        self.used = True


class BodyStream:
    """A body to be gone through in pieces: ``async for piece in request.body``."""

    def __init__(self, body: Body) -> None:
        """Read ``body`` when that is asked for."""
        self._body = body
        self._source: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> Self:
        """Go through it; raises BodyUsed when it was read otherwise."""
        if self._source is None:
            source = self._body.take()
            self._source = _one(source) if isinstance(source, bytes) else source
        return self

    async def __anext__(self) -> Chunk:
        """Give the next piece."""
        assert self._source is not None
        return Chunk(await anext(self._source))

    async def aclose(self) -> None:
        """Let go of it."""
        await close(self._source)


def source_of(body: object, whose: str) -> Source:
    """Give what a body is made of; raises TypeError for what is none, of ``whose`` (`Response`)."""
    match body:
        case None:
            return b""
        case str():
            return body.encode()
        case bytes() | bytearray() | memoryview():
            return bytes(body)
        case FormData():
            return body.encode()
        case Blob():
            return body.whole
        case AsyncIterable():
            return _Checked(body, whose)
        case Iterator():
            return _Checked(_stepwise(body), whose)
    rest = f"; {whose}.json takes the rest" if whose == "Response" else ""
    kind = type(body).__name__
    raise TypeError(
        f"a {whose}'s body is text or bytes, a form, a blob or a stream of them, not {kind}{rest}"
    )


def type_of(body: object) -> str | None:
    """Give the content type that a body has by itself."""
    match body:
        case FormData():
            return body.content_type
        case Blob():
            return body.content_type or None
    return None


async def close(source: object) -> None:
    """End what gives a body's pieces, if that has an end."""
    ending = getattr(source, "aclose", None)
    if ending is not None:
        await ending()


async def _whole(pieces: AsyncIterator[bytes]) -> bytes:
    whole = bytearray()
    async for piece in pieces:
        whole += piece
        if len(whole) > WHOLE_BYTES:
            raise TooLarge(
                f"the body is larger than {WHOLE_BYTES:,} bytes, the limit for one that is read whole",
                hint="go through it in pieces: `async for piece in request.body`",
            )
    return bytes(whole)


async def _one(whole: bytes) -> AsyncIterator[bytes]:
    if whole:
        yield whole


class _Checked:
    """Goes through what user code gives, and looks at each piece."""

    def __init__(self, given: AsyncIterable[Any], whose: str) -> None:
        self._given = given
        self._pieces = aiter(given)
        self._whose = whose

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return _piece(await anext(self._pieces), self._whose)

    async def aclose(self) -> None:
        await close(self._pieces)
        if self._given is not self._pieces:
            await close(self._given)


async def _stepwise(given: Iterator[Any]) -> AsyncIterator[Any]:
    try:
        for piece in given:
            yield piece
            await asyncio.sleep(0)
    finally:
        if hasattr(given, "close"):
            given.close()


def _piece(piece: object, whose: str) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"a {whose}'s body gives text or bytes, not {type(piece).__name__}")


class _Tee:
    """Reads what gives a body's pieces once, for two."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._kept: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self._sizes = [0, 0]
        self._over = False
        self._reading = asyncio.Lock()

    async def branch(self, which: int) -> AsyncIterator[bytes]:
        mine = self._kept[which]
        while True:
            if not mine:
                async with self._reading:
                    if not mine and not self._over:
                        await self._read()
            if not mine:
                return
            piece = mine.popleft()
            self._sizes[which] -= len(piece)
            yield piece

    async def _read(self) -> None:
        async for piece in self._pieces:
            for which in (0, 1):
                self._kept[which].append(piece)
                self._sizes[which] += len(piece)
            if max(self._sizes) > WHOLE_BYTES:
                raise TooLarge(f"a clone of a body keeps {WHOLE_BYTES:,} bytes at most until they are read")
            return
        self._over = True
