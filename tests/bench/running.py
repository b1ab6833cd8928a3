"""Instances that all run at once, each awaiting a slow step, and what runner and runtime take with them."""

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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.session import Session

MEMORY_MB: Final = 1_000.0
STAY_S: Final = 3.0
LOOK_S: Final = 0.5
PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many instances."""

    count: int


SIZES: Final = {
    Scale.FULL: Size(count=50_000),
    Scale.QUICK: Size(count=5_000),
    Scale.TINY: Size(count=100),
}


def rows(size: Size) -> Iterator[Row]:
    """Start all, let them be for a while, let their steps end, and wait for all of them."""
    with deployed() as session:
        empty = session.memory_mb()
        began = time.perf_counter()
        session.fill("SLOW", size.count, at_once=8)
        session.until("slow", size.count, "running")
        started_s = time.perf_counter() - began
        looks = [session.memory_mb()]
        looks += _looks(session, STAY_S)
        began = time.perf_counter()
        session.visit("/open")
        while session.counts("slow").get("complete", 0) < size.count:
            assert time.perf_counter() - began < PATIENCE_S, session.counts("slow")
            looks += _looks(session, LOOK_S)
        over_s = time.perf_counter() - began
        failed = size.count - session.counts("slow")["complete"]
    yield Row(
        bench="running",
        work=f"{size.count:,} running at once",
        unit="MB",
        samples=[max(looks)],
        goal=MEMORY_MB,
        beside={"empty MB": empty, "until all run s": started_s, "until all are over s": over_s},
    )
    yield Row(bench="running", work="of these not complete", unit="", samples=[float(failed)], goal=0)


def _looks(session: Session, seconds: float) -> list[float]:
    found = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        found.append(session.memory_mb())
        time.sleep(LOOK_S / 2)
    return found


if __name__ == "__main__":
    alone(SIZES, rows)
