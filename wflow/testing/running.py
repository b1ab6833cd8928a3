"""A kit with a loop of its own, for as long as a test lasts."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from wflow.testing import loop as loops
from wflow.testing.kit import Kit, ordered
from wflow.testing.world import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wflow.testing.under_test import UnderTest


@contextlib.contextmanager
def alive(under: UnderTest, folder: Path) -> Iterator[Kit]:
    """Give a kit that runs; afterwards nothing of it is left, not even what it put into sys.path."""
    loop, selector = loops.new()
    kept(loop)
    path = list(sys.path)
    with ordered(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        kit = Kit(under, folder, selector, runner)
        try:
            runner.run(kit.begin())
            yield kit
        finally:
            runner.run(kit.end())
            sys.path[:] = path
