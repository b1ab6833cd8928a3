"""What a step gives as a stream of bytes: cut into pieces, which are kept while the next are made."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
from collections import deque
from functools import partial
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from wflow.engine import names, typed, values
from wflow.engine.outcome import Ok
from wflow.engine.stream import CHUNK_BYTES, PIECE_BYTES, Reference, Streamed
from wflow.errors import MismatchError, UnserializableError, WflowError, WorkflowInternalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from concurrent.futures import Executor, Future
    from typing import Self

    from wflow.runtime.attempt import Place

    Caller = Callable[[str, str, list[object]], Awaitable[object]]

WINDOW: Final = 4
"""Pieces of one stream under way at once."""
UNDER_WAY: Final = 64
"""Pieces of all streams of one runtime under way at once; more wait."""
_VALUES: Final = frozenset({type(None), bool, int, float, str, bytes, list, dict})
"""What most steps give."""
_OWN: Final = ""
"""The binding that pieces travel by: wflow's own, which no project can declare."""


class Full(Exception):
    """The instance has no room for all of a stream."""


class Pieces:
    """The way of pieces to the runner and back; it can be gone from any thread and any event loop."""

    def __init__(self, call: Caller) -> None:
        """Send by ``call``, on the event loop that runs now."""
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(UNDER_WAY)
        self._dropping: set[asyncio.Task[None]] = set()

    async def put(self, step: str, token: str, number: int, piece: bytes) -> None:
        """Keep a piece; number 0 first clears away what other attempts of the step have left.

        Raises Full, and whatever the store says.
        """
        if not await self._ask("put", step, token, number, piece):
            raise Full

    async def get(self, stream: Reference, number: int) -> bytes:
        """Read a piece; raises StoreError when it is gone, and WorkflowInternalError for half of one."""
        found = await self._ask("get", stream.step, stream.token, number)
        if not isinstance(found, bytes) or len(found) != min(stream.size - number * PIECE_BYTES, PIECE_BYTES):
            raise WorkflowInternalError(f"piece {number} of the {stream} is not what was kept")
        return found

    def get_later(self, stream: Reference, number: int) -> Future[bytes]:
        """Read a piece from a thread that has no event loop."""
        return asyncio.run_coroutine_threadsafe(self.get(stream, number), self._loop)

    def drop(self, step: str, token: str) -> None:
        """Have the pieces of a stream removed, as soon as that may be; nobody hears whether it went well."""

        async def drop() -> None:
            with contextlib.suppress(WflowError):  # what is left goes with the next attempt, or the instance
                await self._ask("drop", step, token)

        task = self._loop.create_task(drop())
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def _ask(self, what: str, *arguments: object) -> object:
        if asyncio.get_running_loop() is not self._loop:
            there = self._ask(what, *arguments)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there, self._loop))
        async with self._slots:
            return await self._call(_OWN, f"stream.{what}", [*arguments])


def is_stream(value: object) -> bool:
    """Tell whether what a step gave is a stream: something to iterate that is no collection."""
    kind = type(value)
    return kind not in _VALUES and (hasattr(kind, "__aiter__") or hasattr(kind, "__next__"))


async def keep(given: Any, writing: Writing, threads: Executor) -> Ok:
    """Keep all of a stream, and give the outcome of its step; what is no async one is read in a thread.

    Raises what the stream itself raises, and what `Writing` raises.
    """
    with writing:
        if hasattr(type(given), "__aiter__"):
            await writing.take(given)
        else:
            call = partial(contextvars.copy_context().run, writing.read, given)
            await asyncio.get_running_loop().run_in_executor(threads, call)
        return await writing.end()


class Writing:
    """A stream on its way into the store; left as a context before its `end`, it leaves nothing that counts.

    Raises Full when the instance's room is used up, and errors that no other attempt would mend:
    MismatchError when the step's declared type ``returns`` is none of a stream, UnserializableError for what
    is no bytes, or too many at once.
    """

    def __init__(self, place: Place, returns: object) -> None:
        """Begin with nothing, on the event loop that runs now; ``place`` says whose stream it is."""
        self._place = place
        self._returns = returns
        self._loop = asyncio.get_running_loop()
        self._token = token_hex(8)
        self._rest = bytearray()
        self._size = 0
        self._sent = 0
        self._digest = sha256()
        self._under_way: deque[asyncio.Task[None]] = deque()
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._over:
            return
        self._over = True
        for task in self._under_way:
            if not task.cancel() and not task.cancelled():
                task.exception()  # it is not the first that failed, and nobody is left to hear of it
        if self._sent:
            self._pieces.drop(self._place.step, self._token)

    @property
    def _pieces(self) -> Pieces:
        assert self._place.pieces is not None, "a step runs in a runtime"
        return self._place.pieces

    async def take(self, given: Any) -> None:
        """Take what an async iterable gives, and close it."""
        chunks = aiter(given)
        try:
            self._check_type()
            async for chunk in chunks:
                if _is_cancelled():
                    raise asyncio.CancelledError  # the user's code would not hear of it
                for piece in self._cut(chunk):
                    await self._send(piece)
        finally:
            if hasattr(chunks, "aclose"):
                await chunks.aclose()

    def called(self, function: Callable[..., object], *arguments: object) -> object:
        """Call a plain function, in a thread; what it gives is read there if it is a stream, and this given.

        What an iterator uses, such as a database's connection, may belong to the thread that made it.
        """
        value = function(*arguments)
        if not hasattr(type(value), "__next__"):
            return value
        self.read(value)
        return self

    def read(self, given: Any) -> None:
        """Take what an iterator gives, in the thread that calls, and close it."""
        chunks: Iterator[object] = given
        if isinstance(given, (io.RawIOBase, io.BufferedIOBase)):  # it would give lines, however long
            chunks = iter(partial(given.read, PIECE_BYTES), b"")
        try:
            self._check_type()
            for chunk in chunks:
                for piece in self._cut(chunk):
                    asyncio.run_coroutine_threadsafe(self._send(piece), self._loop).result()
                if self._over:
                    break
        finally:
            if hasattr(given, "close"):
                given.close()

    async def end(self) -> Ok:
        """Wait until all of it is on disk, and give the outcome that refers to it."""
        place = self._place
        if self._rest or not self._sent:
            await self._send(self._digested(bytes(self._rest)))
        while self._under_way:
            await self._under_way.popleft()
        self._over = True
        digest = self._digest.hexdigest()
        reference = Reference(place.instance, place.step, self._token, self._size, digest)
        return Ok(values.encode_stream(reference), self._size)

    def _check_type(self) -> None:
        """Refuse a stream before it is read whose step declares something else."""
        if self._returns is not None:
            nothing = Streamed(Reference(0, "", "", 0, ""))
            try:
                typed.restore(nothing, self._returns)
            except MismatchError:
                declared = typed.text(self._returns)
                problem = f"gave a stream of bytes, which does not fit {declared}"
                raise MismatchError(f"step {self._place.step!r} {problem}") from None

    def _cut(self, chunk: object) -> Iterator[bytes]:
        """Add a chunk to the rest of those before, and give the pieces that are whole."""
        rest = self._rest
        rest += self._checked(chunk)
        while len(rest) >= PIECE_BYTES:
            with memoryview(rest) as view:
                piece = bytes(view[:PIECE_BYTES])
            del rest[:PIECE_BYTES]
            yield self._digested(piece)

    def _checked(self, chunk: object) -> bytes | bytearray | memoryview:
        step = self._place.step
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            problem = f"gave a stream of bytes, and in it {names.shown(chunk)}, a {type(chunk).__qualname__}"
            raise UnserializableError(f"step {step!r} {problem}; for other data return a list")
        size = memoryview(chunk).nbytes
        if size > CHUNK_BYTES:
            problem = f"gave a stream with {size:,} bytes at once; the limit is {CHUNK_BYTES:,}"
            raise UnserializableError(f"step {step!r} {problem}", "TooLarge")
        self._size += size
        if self._size > self._place.room:
            raise Full
        return chunk

    def _digested(self, piece: bytes) -> bytes:
        self._digest.update(piece)
        return piece

    async def _send(self, piece: bytes) -> None:
        """Send a piece; this returns as soon as another one may be made."""
        under_way = self._under_way
        while len(under_way) >= WINDOW:
            await under_way.popleft()
        if self._over:
            raise asyncio.CancelledError
        put = self._pieces.put(self._place.step, self._token, self._sent, piece)
        self._sent += 1
        if self._sent == 1:  # it clears away what lies there, and may not overtake the others
            await put
        else:
            under_way.append(self._loop.create_task(put))


def _is_cancelled() -> bool:
    """Tell whether the task at hand was told to end, heeded or not."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
