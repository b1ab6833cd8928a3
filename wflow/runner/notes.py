"""Lines that belong to no journal, requests and prints, on their way to the store, many at a time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from wflow.engine import facts
from wflow.errors import StoreError

if TYPE_CHECKING:
    from wflow.engine.facts import Logged
    from wflow.stores.store import Store

EVERY_S: Final = 0.05
HELD: Final = 10_000
"""Lines that may wait; beyond it they are counted, and the count is told instead."""

_log = logging.getLogger("wflow.runner")


class Notes:
    """Takes lines at once and keeps them soon after; with a slow store the newest are lost, and counted."""

    def __init__(self, store: Store) -> None:
        """Keep lines in ``store``."""
        self._store = store
        self._lines: list[Logged] = []
        self._lost = 0
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    def add(self, line: Logged) -> None:
        """Keep a line."""
        if len(self._lines) >= HELD:
            self._lost += 1
            return
        self._lines.append(line)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Keep what waits."""
        if self._task is not None:
            await self._task

    async def _keep(self) -> None:
        try:
            while self._lines:
                await asyncio.sleep(EVERY_S)
                lines, self._lines = self._lines, []
                lost, self._lost = self._lost, 0
                told = [*lines, _loss(lost, lines[-1].at)] if lost else lines
                try:
                    await self._store.note([(facts.LOGGED, line.at, facts.encode(line)) for line in told])
                except StoreError as broken:
                    if not self._failing:
                        _log.error("lines of the log are lost: %s", broken.message)
                    self._failing = True
                    self._lost += lost + len(lines)
                else:
                    self._failing = False
        finally:
            self._task = None


def _loss(count: int, at: int) -> Logged:
    text = f"{count:,} lines were lost: the store could not keep them in time"
    return facts.Logged("warn", text, at, source="runner")
