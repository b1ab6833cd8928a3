"""What is old leaves, a little at a time: instances that have been over for long, lines of Workers, cells."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from wflow.engine import names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wflow.stores.store import Store

LINES_MS: Final = 7 * names.DAY_MS
"""How long lines of no instance (requests, prints) are kept."""
LINES: Final = 1_000_000
"""How many of them are kept at the most."""
TRIMMED: Final = 1_000
"""How many are deleted at once."""
RETIRED: Final = 50
"""How many instances are deleted at once; each may have a long journal."""
PAUSE_S: Final = 0.01
"""The least pause between two deletions; it is twice as long as what it follows, if that is more."""
BEHIND: Final = 0.5
"""The share of what may wait for the disk from which on nothing is deleted."""


async def retire(store: Store, now: Callable[[], int]) -> None:
    """Delete the instances whose retention is over. Raises StoreError."""
    await _in_pieces(store, lambda: store.retire(now=now(), limit=RETIRED), RETIRED)


async def trim(store: Store, now: Callable[[], int]) -> None:
    """Delete old lines of Workers, and cells that have expired. Raises StoreError."""
    await _in_pieces(store, lambda: store.trim(before=now() - LINES_MS, keep=LINES, limit=TRIMMED), TRIMMED)
    await _in_pieces(store, lambda: store.expire(now=now(), limit=TRIMMED), TRIMMED)


async def _in_pieces(store: Store, delete: Callable[[], Awaitable[int]], size: int) -> None:
    """Delete in pieces of a ``size``, until one is not full; whoever writes meanwhile goes first."""
    while True:
        began = time.monotonic()
        if store.pressure.share < BEHIND and await delete() < size:
            return
        await asyncio.sleep(max(PAUSE_S, 2 * (time.monotonic() - began)))
