"""Many steps at once in one instance: `asyncio.gather` over a thousand of them."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import Row, Scale
from tests.bench.stage import Stage, play
from tests.bench.suite import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL_S: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One instance of so many parallel steps, ``count`` times one after the other, and one more before."""

    steps: int
    count: int


SIZES: Final = {
    Scale.FULL: Size(steps=1_000, count=15),
    Scale.QUICK: Size(steps=1_000, count=5),
    Scale.TINY: Size(steps=5, count=1),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure from create until the end is known."""
    took: list[float] = []
    costs = play(lambda stage: _run(stage, size, took))
    yield Row(
        bench="parallel",
        work=f"{size.steps:,} parallel steps in one instance",
        unit="s",
        samples=took,
        goal=GOAL_S,
        beside={"per step us": statistics.median(took) / size.steps * 1e6, **costs},
    )


async def _run(stage: Stage, size: Size, took: list[float]) -> dict[str, float]:
    await _one(stage, size.steps)
    async with stage.measuring():
        took += [await _one(stage, size.steps) for _ in range(size.count)]
    return stage.each_us(size.steps * size.count)


async def _one(stage: Stage, steps: int) -> float:
    before = await stage.runner.store.position()
    began = time.perf_counter()
    (id_,) = await stage.create("parallel", [steps])
    await stage.end("parallel", id_, after=before + steps)
    return time.perf_counter() - began


if __name__ == "__main__":
    alone(SIZES, rows)
