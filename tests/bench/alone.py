"""One instance with the machine to itself, against as many bare group commits as it makes.

Ten steps one after the other are twelve commits: its creation, the steps, its end. The time is from the call
of create until its end is known.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import bare
from tests.bench.measured import Row, Scale
from tests.bench.stage import Stage, play
from tests.bench.suite import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL: Final = 1.5
WARM: Final = 3
"""Instances of a round before the first one that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """In each round ``count`` instances of so many steps, one after the other, and bare as often."""

    steps: int
    count: int
    rounds: int


SIZES: Final = {
    Scale.FULL: Size(steps=10, count=9, rounds=5),
    Scale.QUICK: Size(steps=10, count=5, rounds=2),
    Scale.TINY: Size(steps=2, count=1, rounds=1),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure the two kinds in turn."""
    commits = size.steps + 2
    floor: list[float] = []
    ours: list[float] = []
    costs: list[dict[str, float]] = []
    for _ in range(size.rounds):
        floor += [bare.measure(1, commits) * 1e3 for _ in range(size.count)]
        costs.append(play(lambda stage: _round(stage, size, ours)))
    yield Row(
        bench="alone",
        work=f"one instance, {size.steps} steps ({commits} commits)",
        unit="ms",
        samples=ours,
        goal=GOAL,
        bare=floor,
        of_bare=True,
        beside={name: statistics.median(one[name] for one in costs) for name in costs[0]},
    )


async def _round(stage: Stage, size: Size, took_ms: list[float]) -> dict[str, float]:
    for _ in range(WARM):
        await _one(stage, size.steps)
    async with stage.measuring():
        took_ms += [await _one(stage, size.steps) * 1e3 for _ in range(size.count)]
    return stage.each_us(size.count)


async def _one(stage: Stage, steps: int) -> float:
    before = await stage.runner.store.position()
    began = time.perf_counter()
    (id_,) = await stage.create("steps", [steps])
    await stage.end("steps", id_, after=before + steps)
    return time.perf_counter() - began


if __name__ == "__main__":
    alone(SIZES, rows)
