"""The `ctx` of a request: what may go on when its answer is out."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from wflow.runtime.failures import trace_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

AFTER_S: Final = 30.0
"""How long what was given to `ctx.wait_until` may take once the handler is done; Cloudflare's limit."""
TOO_LONG: Final = (
    "wait_until() tasks did not complete within the allowed time after the invocation's end and have been "
    "cancelled."
)

_here: ContextVar[ExecutionContext | None] = ContextVar("wflow_execution", default=None)
_under_way: set[asyncio.Future[Any]] = set()


class ExecutionContext:
    """What a Worker's handlers get as ``ctx``, and its class as ``self.ctx``.

    ``depth`` says through how many Workers the request has come that it is about, ``abandoned`` that nobody
    waits for its answer any more.
    """

    def __init__(self, depth: int = 0) -> None:
        """Begin with nothing that goes on."""
        self.depth = depth
        self.abandoned = False
        self._going: set[asyncio.Future[Any]] = set()

    def wait_until(self, awaitable: Awaitable[object]) -> None:
        """Let something go on after the answer, for 30 seconds at most; what it raises goes to the log."""
        future = asyncio.ensure_future(awaitable)
        self._going.add(future)
        future.add_done_callback(self._going.discard)
        future.add_done_callback(_ended)

    waitUntil = wait_until  # noqa: N815 - Cloudflare's spelling

    @property
    def goes_on(self) -> bool:
        """Whether something goes on still."""
        return bool(self._going)

    async def finished(self, within_s: float = AFTER_S) -> None:
        """Wait for all that was let go on, and what that lets go on; cancel what takes longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._going:
                    await asyncio.wait(list(self._going))
        if self._going:
            print(TOO_LONG, file=sys.stderr)  # noqa: T201 - it goes to the log
            for future in self._going:
                future.cancel()

    def pass_through_on_exception(self) -> None:
        """Do nothing: there is no server behind a Worker to pass a request to."""

    passThroughOnException = pass_through_on_exception  # noqa: N815


@contextlib.contextmanager
def entered(ctx: ExecutionContext) -> Iterator[None]:
    """Let `wait_until` and the bindings of the code in the block know what they belong to."""
    token = _here.set(ctx)
    try:
        yield
    finally:
        _here.reset(token)


def depth() -> int:
    """Tell through how many Workers the request has come that the code at hand works on."""
    ctx = _here.get()
    return 0 if ctx is None else ctx.depth


def wait_until(awaitable: Awaitable[object]) -> None:
    """Keep something going beside the request at hand, and log what it raises."""
    ctx = _here.get()
    if ctx is not None:
        ctx.wait_until(awaitable)
        return
    future = asyncio.ensure_future(awaitable)
    _under_way.add(future)
    future.add_done_callback(_ended)


def _ended(future: asyncio.Future[Any]) -> None:
    _under_way.discard(future)
    if not future.cancelled() and (error := future.exception()) is not None:
        print(trace_of(error).rstrip(), file=sys.stderr)  # noqa: T201 - it goes to the log, as a handler's lines do
