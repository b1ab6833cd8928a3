"""Durable steps a second, as a share of the floor that `bare` measures in the same run.

A runner and a runtime process, SQLite with synchronous=FULL, every feature on; no-op steps. The two are
measured in turn, so that the noise of a shared machine meets both; medians are compared.
"""

from __future__ import annotations

import resource
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

GOAL: Final = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Shapes are INSTANCESxSTEPS; each is measured ``rounds`` times, and so is bare."""

    shapes: tuple[str, ...]
    rounds: int


SIZES: Final = {
    Scale.FULL: Size(shapes=("1000x10", "5000x10", "100x100"), rounds=5),
    Scale.QUICK: Size(shapes=("1000x10",), rounds=3),
    Scale.TINY: Size(shapes=("4x2",), rounds=1),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure each shape."""
    for shape in size.shapes:
        instances, steps = map(int, shape.split("x"))
        floor: list[float] = []
        ours: list[float] = []
        costs: list[dict[str, float]] = []
        for _ in range(size.rounds):
            spent = -_cpu()
            floor.append(instances * steps / bare.measure(instances, steps))
            spent += _cpu()
            each = measure(instances, steps)
            ours.append(instances * steps / each.seconds)
            costs.append({**each.each_us(instances * steps), "bare us": spent / instances / steps * 1e6})
        yield Row(
            bench="steps",
            work=f"{instances:,} instances x {steps:,} steps",
            unit="steps/s",
            samples=ours,
            goal=GOAL,
            at_least=True,
            bare=floor,
            of_bare=True,
            beside={name: statistics.median(one[name] for one in costs) for name in costs[0]},
        )


def measure(instances: int, steps: int) -> Stage:
    """Run instances of so many steps each, from the first create to the last end."""

    async def work(stage: Stage) -> Stage:
        async with stage.measuring():
            await stage.create("steps", [steps] * instances)
            await stage.until("steps", instances)
        return stage

    return play(work)


def _cpu() -> float:
    """Tell the CPU seconds of this process and of the children it has buried."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    alone(SIZES, rows)
