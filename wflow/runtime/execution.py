"""The `ctx` of a request: what may go on when its answer is out."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from wflow.runtime.failures import trace_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

_under_way: set[asyncio.Future[Any]] = set()


class ExecutionContext:
    """What a Worker's handlers get as ``ctx``, and its class as ``self.ctx``."""

    def wait_until(self, awaitable: Awaitable[object]) -> None:
        """Let something go on after the answer; what it raises goes to the log. It ends with the process."""
        wait_until(awaitable)

    waitUntil = wait_until  # noqa: N815 - Cloudflare's spelling

    def pass_through_on_exception(self) -> None:
        """Do nothing: there is no server behind a Worker to pass a request to."""

    passThroughOnException = pass_through_on_exception  # noqa: N815


def wait_until(awaitable: Awaitable[object]) -> None:
    """Keep something going beside the request at hand, and log what it raises."""
    future = asyncio.ensure_future(awaitable)
    _under_way.add(future)
    future.add_done_callback(_ended)


def _ended(future: asyncio.Future[Any]) -> None:
    _under_way.discard(future)
    if not future.cancelled() and (error := future.exception()) is not None:
        print(trace_of(error).rstrip(), file=sys.stderr)  # noqa: T201 - it goes to the log, as a handler's lines do
