"""The feed: wakes whoever follows the store's records when there are new ones; each reads them for itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

PATIENCE_S: Final = 10.0
"""How long a follower waits before it may look whether its own peer is still there."""


class Feed:
    """Nothing is queued for anybody: a slow follower costs nothing and misses nothing, as it reads itself."""

    def __init__(self, position: int) -> None:
        """Start at the store's last position."""
        self.position = position
        self._moved = asyncio.Event()
        self._closed = False

    def tell(self, position: int) -> None:
        """Hear of a commit (the store calls this)."""
        self.position = position
        self._moved.set()
        self._moved = asyncio.Event()

    def close(self) -> None:
        """Tell all who follow that there is no more."""
        self._closed = True
        self._moved.set()

    async def changed(self, after: int) -> int | None:
        """Wait for records beyond ``after``, or for PATIENCE_S; give the last position, None at the end."""
        if self.position <= after and not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._moved.wait()
        return None if self._closed else self.position
