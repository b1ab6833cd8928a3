"""The steps of one turn that wait for an instant, or for an event; and what wakes the turn for them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine.decisions import Park
from wflow.runtime.clock import Timer, ring_at

if TYPE_CHECKING:
    from collections.abc import Iterator


SLACK: Final = 64
"""Entries of steps that no longer wait, beyond twice those that do, before the queue is made anew."""


class Parked(msgspec.Struct, eq=False):
    """Keys of steps by the order in which they began to wait, and by when they are due."""

    waits: dict[str, tuple[Park, int]] = {}
    """What each waits for, and which of them all it was."""
    _queue: list[tuple[int, int, str]] = []
    _count: int = 0

    def __len__(self) -> int:
        return len(self.waits)

    def __contains__(self, key: object) -> bool:
        return key in self.waits

    def __iter__(self) -> Iterator[str]:
        return iter(self.waits)

    def add(self, key: str, park: Park) -> None:
        """Let a step wait; one that waits already keeps its place."""
        known = self.waits.get(key)
        if known is not None and known[0] == park:
            return
        self._count += 1
        self.waits[key] = park, self._count
        heapq.heappush(self._queue, (park.until, self._count, key))

    def remove(self, key: str) -> None:
        """Forget a step, whether it waits or not."""
        if self.waits.pop(key, None) is not None and len(self._queue) > SLACK + 2 * len(self.waits):
            self._queue = [(park.until, number, key) for key, (park, number) in self.waits.items()]
            heapq.heapify(self._queue)

    def clear(self) -> None:
        """Forget all of them."""
        self.waits.clear()
        self._queue.clear()

    def due(self, at: int) -> list[str]:
        """Take out those whose time has come; of two due at one instant, the one first that came first."""
        keys = []
        while (first := self._first()) is not None and first[0] <= at:
            keys.append(first[2])
            del self.waits[first[2]]
        return keys

    def awaiting(self, type_: str) -> list[str]:
        """List those that wait for events of a type, in the order in which they came."""
        return [key for key, (park, _) in self.waits.items() if park.event == type_]

    def until(self) -> int | None:
        """Say when the first is due; None when none waits."""
        first = self._first() if self._queue else None
        return None if first is None else first[0]

    def awaits(self) -> list[str]:
        """List the types of events that any of them waits for."""
        return sorted({park.event for park, _ in self.waits.values() if park.event is not None})

    def _first(self) -> tuple[int, int, str] | None:
        queue = self._queue
        while queue:
            _, number, key = queue[0]
            known = self.waits.get(key)
            if known is not None and known[1] == number:
                return queue[0]
            heapq.heappop(queue)
        return None


class Alarm(msgspec.Struct, eq=False):
    """Calls ``ring`` at an instant; there is one at a time."""

    ring: Callable[[], None]
    _at: int = 0
    _timer: Timer | None = None

    def set(self, at: int | None) -> None:
        """Ring at an instant, instead of any that was set before; None is never."""
        if self._timer is not None:
            if at == self._at:
                return
            self._timer.cancel()
            self._timer = None
        if at is not None:
            self._at = at
            self._timer = ring_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.ring()
