"""A big result as user code holds it: its size, its digest, and its bytes, read where I/O may be done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.engine.stream import Reference, Streamed
from wflow.errors import InvalidInput, TooLarge
from wflow.runtime.attempt import here
from wflow.runtime.loop import WorkflowLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from wflow.runtime.streamed import Pieces

READ_BYTES: Final = 64 * names.MIB
"""What `read` gives at once."""


class Stream(Streamed):
    """The bytes that a step gave as a stream; ``size`` is how many, ``digest`` their SHA-256 in hex.

    Read it in a step, which gets it as an argument, as often as you like: with `async for`, in a plain
    function with `for`. It comes in pieces of 256 KiB, however it was given.
    """

    __slots__ = ()

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.reference.size

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes, in hex."""
        return self.reference.digest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._read(_way_to(self.reference))

    def __iter__(self) -> Iterator[bytes]:
        way = _way_to(self.reference)
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one may raise
            raise RuntimeError("an async function reads a stream with `async for`")
        return self._read_here(way)

    async def read(self) -> bytes:
        """Give all of it; raises TooLarge beyond 64 MiB, which are better read piece by piece."""
        if self.size > READ_BYTES:
            raise TooLarge(
                f"the stream has {self.size:,} bytes; read() gives at most {READ_BYTES:,}",
                hint="read it piece by piece: `async for piece in stream`",
            )
        return b"".join([piece async for piece in self])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.reference == other.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    def __repr__(self) -> str:
        return f"Stream(size={self.size}, digest={self.digest!r})"

    async def _read(self, way: Pieces) -> AsyncIterator[bytes]:
        """Read piece by piece; the next one is on its way while the reader has the last."""
        last = self.reference.pieces - 1
        ahead = asyncio.ensure_future(way.get(self.reference, 0)) if last >= 0 else None
        try:
            for number in range(1, last + 1):
                assert ahead is not None
                piece = await ahead
                ahead = asyncio.ensure_future(way.get(self.reference, number))
                yield piece
            if ahead is not None:
                yield await ahead
        finally:
            if ahead is not None and not ahead.cancel() and not ahead.cancelled():
                ahead.exception()

    def _read_here(self, way: Pieces) -> Iterator[bytes]:
        last = self.reference.pieces - 1
        ahead = way.get_later(self.reference, 0) if last >= 0 else None
        for number in range(1, last + 1):
            assert ahead is not None
            piece = ahead.result()
            ahead = way.get_later(self.reference, number)
            yield piece
        if ahead is not None:
            yield ahead.result()


def opened(value: object) -> object:
    """Give what user code gets for a decoded value: a Stream for what is kept of one."""
    return Stream(value) if isinstance(value, Reference) else value


def _way_to(reference: Reference) -> Pieces:
    """Find the way to the pieces from the code at hand; raises RuntimeError where there is none."""
    place = here.get()
    if isinstance(asyncio._get_running_loop(), WorkflowLoop):  # noqa: SLF001 - the public one may raise
        raise RuntimeError(  # noqa: TRY004 - it is no matter of types
            "workflow code cannot read a stream: this is I/O; "
            "read it in a step, which gets it as an argument: ctx.do(name, function, stream)"
        )
    if place is None or place.pieces is None or not place.step:
        raise RuntimeError("a stream is read in a step, which gets it as an argument, and nowhere else")
    if place.instance != reference.instance:
        raise InvalidInput(f"the {reference} belongs to another instance; only its own steps can read it")
    return place.pieces
