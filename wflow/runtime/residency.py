"""Which instances at rest stay in memory: the last that came to rest, for a while, as far as there is room.

The others are let go: their next turns begin from their journals. Of the two bounds, age and room, the first
is for a quiet runtime, the second for one in which tens of thousands come to rest at once: without it their
objects would be spread over so much memory that hardly any of it could be given back.
"""

from __future__ import annotations

import asyncio
import gc
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.runtime.home import RESTING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wflow.runtime.turn import Turn

GRACE_S: Final = 10.0
"""How long an instance at rest stays in memory."""
REST_BYTES: Final = 32 * names.MIB
"""What instances at rest may take in one runtime, by estimate; those that rest longest are let go first."""
TURN_BYTES: Final = 10 * names.KIB
"""What is reckoned for one, besides the values that its code was given."""
EVICTED: Final = 256
"""How many are let go in one pass of the event loop: their code may have much to put in order."""
TIDY: Final = 1_000
"""Once so many have left, and no more are there, what memory can be given back to the system is."""
TIDY_SHARE: Final = 0.01
"""The part of the time that this may take."""


class Residency:
    """The turns at rest of one runtime, the one first that rests longest.

    ``turns`` are all that it has, by instance; ``told`` hears which of them were let go.
    """

    def __init__(self, turns: Mapping[int, Turn], told: Callable[[list[int]], None]) -> None:
        """Begin with none, on the running loop."""
        self.resting: dict[int, tuple[Turn, float, int]] = {}
        """By instance: the turn, until when it may stay, and what it is reckoned to take."""
        self.size = 0
        """What all of them are reckoned to take, in bytes."""
        self._turns = turns
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._left = 0
        self._tidy_at = 0.0

    def start(self) -> None:
        """Look at them now and then from now on, until `close`."""
        self._timer = self._loop.call_later(GRACE_S / 2, self._sweep)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def rested(self, turn: Turn) -> None:
        """Take in a turn that rests; whoever rests longest may have to go for it."""
        self.resumed(turn.instance)
        # Code seldom keeps more than the last values that it was given.
        size = TURN_BYTES + min(turn.value_bytes, names.VALUE_BYTES)
        self.resting[turn.instance] = turn, self._loop.time() + GRACE_S, size
        self.size += size
        if self.size > REST_BYTES and not self._scheduled:
            self._schedule()

    def resumed(self, instance: int) -> None:
        """Hear that one goes on, if it rests."""
        known = self.resting.pop(instance, None)
        if known is not None:
            self.size -= known[2]

    def left(self, instance: int) -> None:
        """Hear that one is over here, whether it rests or not."""
        self.resumed(instance)
        self._left += 1

    def evict(self, most: int) -> list[int]:
        """Let go of those that rest longest, if there are so many; give their instances."""
        chosen = list(islice(self.resting.values(), most))
        for turn, _, _ in chosen:
            self.resumed(turn.instance)
            if turn.state is RESTING:
                turn.drop()
        evicted = [turn.instance for turn, _, _ in chosen]
        if evicted:
            self._told(evicted)
        return evicted

    # -- inside ----------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._make_room)

    def _make_room(self) -> None:
        """Let go of those whose time is over, or that have no room; others that go on come in between."""
        self._scheduled = False
        surplus, at, most = self.size - REST_BYTES, self._loop.time(), 0
        for _, until, size in islice(self.resting.values(), EVICTED):
            if until > at and surplus <= 0:
                break
            surplus -= size
            most += 1
        self.evict(most)
        if most == EVICTED:
            self._schedule()

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(GRACE_S / 2, self._sweep)
        if self._left >= TIDY > len(self._turns) and self._loop.time() >= self._tidy_at:
            self._left = 0
            self._tidy()
        if not self._scheduled:
            self._make_room()

    def _tidy(self) -> None:
        """Give memory back; where user code has so many objects that this takes long, it is seldom done."""
        began = time.perf_counter()
        give_back()
        self._tidy_at = self._loop.time() + (time.perf_counter() - began) / TIDY_SHARE


def give_back() -> None:
    """Give memory back to the system that nobody needs."""
    import ctypes  # a runtime that never has so much to do need not wait for it when it starts

    # What user code left behind in circles is found by nothing else for a long time.
    gc.collect()
    # glibc keeps what is free in the middle; other C libraries have no such function.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
