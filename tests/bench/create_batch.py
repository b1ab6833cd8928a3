"""Instances created by a Worker: `create_batch` of 100, one call after the other, and eight at once."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import Row, Scale
from tests.bench.session import deployed
from tests.bench.suite import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL: Final = 20_000.0
AT_ONCE: Final = (1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many instances in a round, and how many rounds."""

    count: int
    rounds: int


SIZES: Final = {
    Scale.FULL: Size(count=40_000, rounds=5),
    Scale.QUICK: Size(count=10_000, rounds=3),
    Scale.TINY: Size(count=100, rounds=1),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure inside the Worker, which sees what its user sees."""
    with deployed() as session:
        for at_once in AT_ONCE:
            with session.measuring():
                took = [session.fill("HELD", size.count, at_once=at_once) for _ in range(size.rounds)]
            calls = "one call at a time" if at_once == 1 else f"{at_once} calls at once"
            yield Row(
                bench="create_batch",
                work=f"create_batch of 100 in a Worker, {calls}",
                unit="/s",
                samples=[size.count / seconds for seconds in took],
                goal=GOAL,
                at_least=True,
                beside=session.each_us(size.count * size.rounds),
            )


if __name__ == "__main__":
    alone(SIZES, rows)
