"""What users notice while finished instances leave: the longest create beside a sweep, and a quiet one.

So many instances of ten steps are over and their retention too. They are deleted as the runner does it, while
an instance is created every few milliseconds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import Row, Scale
from tests.bench.stage import BATCH, Stage, play
from tests.bench.suite import alone
from wflow.engine import values
from wflow.runner import tidying
from wflow.wire.types import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTICED_MS: Final = 100.0
"""What a person takes for at once."""
STEPS: Final = 10
EVERY_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many instances leave, and how many are created before they do, for comparison."""

    count: int
    quiet: int


SIZES: Final = {
    Scale.FULL: Size(count=20_000, quiet=400),
    Scale.QUICK: Size(count=3_000, quiet=200),
    Scale.TINY: Size(count=100, quiet=2),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure creates in the quiet, and beside the sweep."""
    quiet_ms, beside_ms, seconds = play(lambda stage: _run(stage, size))
    yield Row(
        bench="retire",
        work=f"the longest create while {size.count:,} finished instances leave",
        unit="ms",
        samples=[max(beside_ms)],
        goal=NOTICED_MS,
        beside={
            "median ms": statistics.median(beside_ms),
            "quiet, longest ms": max(quiet_ms),
            "quiet, median ms": statistics.median(quiet_ms),
            "deleted a second": size.count / seconds,
        },
    )


async def _run(stage: Stage, size: Size) -> tuple[list[float], list[float], float]:
    runner = stage.runner
    leaving = Wanted(params=values.encode(STEPS), success_retention_ms=1)
    for start in range(0, size.count, BATCH):
        await runner.create("steps", [leaving] * min(BATCH, size.count - start), trigger="api")
    await stage.until("steps", size.count)
    quiet_ms = [await _create(stage) for _ in range(size.quiet)]
    began = time.perf_counter()
    sweep = asyncio.create_task(tidying.retire(runner.store, runner.now))
    beside_ms = [await _create(stage)]
    while not sweep.done():
        beside_ms.append(await _create(stage))
    await sweep
    seconds = time.perf_counter() - began
    left = (await runner.store.counts("steps")).get("complete", 0)
    assert not left, f"{left} did not leave"
    return quiet_ms, beside_ms, seconds


async def _create(stage: Stage) -> float:
    began = time.perf_counter()
    await stage.runner.create("held", [Wanted(params=values.encode(None))], trigger="api")
    took_ms = (time.perf_counter() - began) * 1e3
    await asyncio.sleep(EVERY_S)
    return took_ms


if __name__ == "__main__":
    alone(SIZES, rows)
