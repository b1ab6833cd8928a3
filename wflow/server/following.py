"""What goes on until somebody hangs up: it ends in peace when the runner stops."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from wflow.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from wflow.server.host import Host

T = TypeVar("T")


async def until_it_stops(host: Host, pages: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Give what ``pages`` gives; a store that is closed because the runner stops is the end, and no error."""
    async with aclosing(pages):
        try:
            async for page in pages:
                yield page
        except StoreError:
            # Beyond no position there is something to wait for; None is how a runner says that it stops.
            if await host.changed(-1) is not None:
                raise
