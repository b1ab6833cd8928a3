"""What a settled step costs when its instance is played from its journal, and whether that stays so.

Instances with so many settled steps rest; runner and runtime are stopped and started, so that nothing is in
memory. Then each gets the event that it awaits: it is claimed, its journal is read from the database, sent
over the link and played, and it ends. An instance without steps does the same; the difference is the steps'.
"""

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
from wflow.engine import values

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL_US: Final = 10.0
LINEAR: Final = 1.2
"""How much more a step may cost among ten times as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many steps in the one kind of instance, in the other, and how many instances of each."""

    few: int
    many: int
    count: int


SIZES: Final = {
    Scale.FULL: Size(few=1_000, many=10_000, count=7),
    Scale.QUICK: Size(few=1_000, many=10_000, count=3),
    Scale.TINY: Size(few=2, many=4, count=1),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure both kinds, one instance at a time, and compare them."""
    took, runtime = play(lambda stage: _run(stage, size))
    none = statistics.median(took[0])
    each: dict[int, list[float]] = {}
    for steps in (size.few, size.many):
        each[steps] = [(seconds - none) / steps * 1e6 for seconds in took[steps]]
        yield Row(
            bench="replay",
            work=f"replay, per settled step of {steps:,}",
            unit="us",
            samples=each[steps],
            goal=GOAL_US,
            beside={"runtime us": (runtime[steps] - runtime[0]) / steps * 1e6},
        )
    yield Row(
        bench="replay",
        work=f"the same of {size.many:,} against {size.few:,}",
        unit="x",
        samples=[statistics.median(each[size.many]) / statistics.median(each[size.few])],
        goal=LINEAR,
    )


async def _run(stage: Stage, size: Size) -> tuple[dict[int, list[float]], dict[int, float]]:
    """Give the seconds of each instance, and the runtime's CPU seconds of one, by number of steps."""
    kinds = (0, size.few, size.many)
    payloads = [steps for steps in kinds for _ in range(size.count)]
    warm, *ids = await stage.create("settled", [size.few, *payloads])
    await stage.until("settled", len(ids) + 1, "waiting")
    await stage.reopen()
    await _one(stage, warm)
    took: dict[int, list[float]] = {steps: [] for steps in kinds}
    runtime = {}
    for kind in kinds:
        async with stage.measuring():
            for id_, steps in zip(ids, payloads, strict=True):
                if steps == kind:
                    took[kind].append(await _one(stage, id_))
        runtime[kind] = stage.spent["runtime"] / size.count
    return took, runtime


async def _one(stage: Stage, id_: str) -> float:
    position = await stage.runner.store.position()
    began = time.perf_counter()
    await stage.runner.send_event("settled", id_, "go", values.encode(None))
    await stage.end("settled", id_, after=position + 1)
    return time.perf_counter() - began


if __name__ == "__main__":
    alone(SIZES, rows)
