"""Who gets how many of what is free: whoever has least comes first, until all have the same (max-min)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What somebody ``has`` already, and the ``most`` that they may get now.

    ``served`` grows with the time when they were given something last: of those that have the same, it is the
    turn of whoever has waited longest.
    """

    has: int
    most: int
    served: int = 0


def share(free: int, asks: Mapping[str, Ask]) -> dict[str, int]:
    """Give ``free`` to those who have least, then to those who have next to least; nobody over their most."""
    level = _level(free, asks)
    given = {name: _up_to(level, ask) for name, ask in asks.items()}
    left = free - sum(given.values())
    # What is left is too little for one more each.
    for name, ask in sorted(asks.items(), key=lambda one: (one[1].has, one[1].served, one[0])):
        if left > 0 and given[name] < ask.most and ask.has + given[name] == level:
            given[name] += 1
            left -= 1
    return given


def share_but(reserve: int, free: int, asks: Mapping[str, Ask], *, even: int) -> dict[str, int]:
    """Share ``free``, of which the last ``reserve`` are for those who have less than ``even`` by then."""
    given = share(max(0, free - reserve), asks)
    poor = {
        name: replace(ask, has=has, most=min(ask.most - given[name], even - has))
        for name, ask in asks.items()
        if (has := ask.has + given[name]) < even
    }
    for name, count in share(free - sum(given.values()), poor).items():
        given[name] += count
    return given


def _level(free: int, asks: Mapping[str, Ask]) -> int:
    """Find what all can have at the least, and not more than ``free`` is spent on it."""
    low, high = 0, max((ask.has + ask.most for ask in asks.values()), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(_up_to(middle, ask) for ask in asks.values()) <= free:
            low = middle
        else:
            high = middle - 1
    return low


def _up_to(level: int, ask: Ask) -> int:
    return max(0, min(ask.most, level - ask.has))
