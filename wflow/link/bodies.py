"""Bodies on their way over the link: in pieces, and never more of them than the other end has room for."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from wflow.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PIECE_BYTES: Final = 64 * 1024
"""What is sent of a body at once."""
WINDOW_BYTES: Final = 256 * 1024
"""What may be sent of a body beyond what was taken at the other end."""
PIECE_COST: Final = 64
"""What a piece counts for beside its bytes: many small ones take memory as well."""


class Incoming:
    """A body that comes in pieces, to be gone through once; what is taken makes room for more."""

    def __init__(self, taken: Callable[[int], None]) -> None:
        """Say by ``taken`` what was taken."""
        self._taken = taken
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    def add(self, data: bytes, *, last: bool) -> None:
        """Take a piece in; raises LinkError for one for which there was no room."""
        if self._ended:
            return
        if data:
            self._held += cost(data)
            if self._held > WINDOW_BYTES + PIECE_BYTES + PIECE_COST:
                raise LinkError("the other end sends more of a body than there is room for")
            self._pieces.append(data)
        self._ended = last
        self._tell()

    def cut(self, error: Exception) -> None:
        """End it before its end: whoever reads it gets the error, after what had come."""
        if not self._ended:
            self._ended, self._error = True, error
            self._tell()

    def __aiter__(self) -> Incoming:
        """Go through it."""
        return self

    async def __anext__(self) -> bytes:
        """Give the next piece; raises what it was cut with."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        piece = self._pieces.popleft()
        self._held -= cost(piece)
        self._taken(cost(piece))
        return piece

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Outgoing:
    """A body that is sent in pieces, as the other end takes them."""

    def __init__(self, send: Callable[[bytes, bool], None]) -> None:
        """Send by ``send``: a piece, and whether it is the last one."""
        self._send = send
        self._room = WINDOW_BYTES
        self._free: asyncio.Future[None] | None = None

    def taken(self, size: int) -> None:
        """Hear that there is room for more."""
        self._room += size
        if self._room > 0 and self._free is not None and not self._free.done():
            self._free.set_result(None)

    def spend(self, piece: bytes) -> None:
        """Count a piece that went another way: along with the head."""
        if piece:
            self._room -= cost(piece)

    async def carry(self, pieces: AsyncIterator[bytes]) -> None:
        """Send all of a body, and its end; raises what going through it raises."""
        async for data in pieces:
            await self.put(data)
        self._send(b"", True)  # noqa: FBT003 - that it is the last one

    async def put(self, data: bytes) -> None:
        """Send some of it; waits while there is no room."""
        for start in range(0, len(data), PIECE_BYTES):
            piece = data if len(data) <= PIECE_BYTES else data[start : start + PIECE_BYTES]
            while self._room <= 0:
                self._free = asyncio.get_running_loop().create_future()
                await self._free
            self._room -= cost(piece)
            self._send(piece, False)  # noqa: FBT003


def cost(piece: bytes) -> int:
    """Tell what a piece counts for."""
    return len(piece) + PIECE_COST
