"""Where chance comes from: numbers that are drawn one after the other, and can be drawn again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class Choices:
    """Draws numbers below others; 0 is always the simplest. ``taken`` is what was drawn."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below
        self.taken: list[int] = []

    def below(self, limit: int) -> int:
        number = self._below(limit) if limit > 1 else 0
        self.taken.append(number)
        return number

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def often(self, percent: int) -> bool:
        """Tell yes so often; no is the simpler."""
        return self.below(100) >= 100 - percent


def by_chance(seed: object) -> Choices:
    """Draw by a seed: the same seed gives the same, in each process."""
    random = Random(str(seed))
    return Choices(lambda limit: int(random.random() * limit))


def again(taken: Sequence[int]) -> Choices:
    """Draw what was drawn before, and then only the simplest."""
    left = iter(taken)
    return Choices(lambda limit: min(next(left, 0), limit - 1))
