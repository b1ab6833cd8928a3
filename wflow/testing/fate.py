"""Fate: over which durable writes of a run the process dies, and how many writes there were."""

from __future__ import annotations

from typing import Literal, TypeAlias

When: TypeAlias = Literal["before", "after"]
Death: TypeAlias = tuple[int, When]
"""The number of a write in its run, counted from 1, and whether it became durable."""


class Fate:
    """Counts the writes of one run, and says when to die.

    ``names`` are what was written, in order; ``met`` are the deaths that came.
    """

    def __init__(self, deaths: tuple[Death, ...] = ()) -> None:
        """Foresee these deaths."""
        self.deaths = frozenset(deaths)
        self.names: list[str] = []
        self.met: list[Death] = []
        self.counts = False
        """Whether writes count: not while a runner comes up for the first time."""

    def next(self, name: str) -> int:
        """Give a write its number; 0 for one that does not count."""
        if not self.counts:
            return 0
        self.names.append(name)
        return len(self.names)

    def dies(self, number: int, when: When) -> bool:
        """Say whether the process dies over a write, now."""
        death = (number, when)
        if death not in self.deaths:
            return False
        self.met.append(death)
        return True
