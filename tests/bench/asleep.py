"""Instances asleep until one instant: what they take meanwhile, and how soon all have woken and ended.

Memory is that of runner and runtime together, shared pages counted in parts. It is looked at until shortly
before the instant; what counts is the last look, and the highest stands beside it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import Row, Scale
from tests.bench.session import deployed
from tests.bench.suite import alone
from wflow.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.session import Session

MEMORY_MB: Final = {10_000: 150.0, 50_000: 400.0}
WAKE_S: Final = {10_000: 2.0, 50_000: 8.0}
LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many instances, each number on a runner of its own, and how long they sleep when all are there."""

    counts: tuple[str, ...]
    asleep_s: float
    each_ms: float
    """How long one may take to be created and put to sleep."""


SIZES: Final = {
    Scale.FULL: Size(counts=("10000", "50000"), asleep_s=20, each_ms=0.6),
    Scale.QUICK: Size(counts=("2000",), asleep_s=16, each_ms=0.6),
    Scale.TINY: Size(counts=("100",), asleep_s=0.5, each_ms=5),
}


def rows(size: Size) -> Iterator[Row]:
    """Put so many to sleep, look, and wait until all have woken."""
    for count in map(int, size.counts):
        with deployed() as session:
            yield from _night(session, count, size)


def _night(session: Session, count: int, size: Size) -> Iterator[Row]:
    empty = session.memory_mb()
    until = clock.now() + int(size.asleep_s * 1000 + count * size.each_ms)
    session.fill("NAPPING", count, until, at_once=8)
    session.until("napping", count, "waiting")
    all_asleep_s = (until - clock.now()) / 1000
    assert all_asleep_s > 0, "they were not asleep in time; give them longer by each_ms="
    looks: list[float] = []
    while clock.now() < until - 1000 or not looks:
        looks.append(session.memory_mb())
        time.sleep(LOOK_S)
    session.until("napping", count)
    ((first, last),) = session.sql(
        "SELECT min(ended_at), max(ended_at) FROM instances WHERE workflow = 'napping'"
    )
    yield Row(
        bench="asleep",
        work=f"{count:,} instances asleep",
        unit="MB",
        samples=looks[-1:],
        goal=MEMORY_MB.get(count),
        beside={
            "empty MB": empty,
            "highest MB": max(looks),
            "awake again MB": session.memory_mb(),
            "asleep for s": all_asleep_s,
        },
    )
    yield Row(
        bench="asleep",
        work=f"{count:,} instances awake and over after their time",
        unit="s",
        samples=[(last - until) / 1000],
        goal=WAKE_S.get(count),
        beside={"the first after s": (first - until) / 1000},
    )


if __name__ == "__main__":
    alone(SIZES, rows)
