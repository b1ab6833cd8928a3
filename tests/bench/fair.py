"""What a workflow with a long queue costs another one: how soon instances of that come to something.

No limit holds the long queue back; its instances run as fast as they can all the while. The times are the
store's own: an instance of one step is created, claimed, its first record is written, it is over.
"""

from __future__ import annotations

import statistics
import sys
import threading
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

GOAL_MS: Final = 100.0
STEPS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many are in the way, how many of the other workflow are created, and how long apart."""

    queued: int
    others: int
    apart_s: float


SIZES: Final = {
    Scale.FULL: Size(queued=30_000, others=15, apart_s=0.2),
    Scale.QUICK: Size(queued=10_000, others=7, apart_s=0.1),
    Scale.TINY: Size(queued=100, others=1, apart_s=0.0),
}


def rows(size: Size) -> Iterator[Row]:
    """Fill the one workflow, and meanwhile create instances of the other."""
    with deployed() as session:
        filling = threading.Thread(
            target=session.fill, args=("STEPS", size.queued, STEPS), kwargs={"at_once": 8}
        )
        filling.start()
        while not session.counts("steps"):
            time.sleep(size.apart_s / 10)
        left = []
        for _ in range(size.others):
            session.ask("POST", "/workflows/parallel/instances", {"params": 1})
            left.append(_left(session, size))
            time.sleep(size.apart_s)
        filling.join()
        session.until("parallel", size.others)
        session.until("steps", size.queued)
        taken = session.sql(
            "SELECT started_at - created_at, (SELECT min(at) FROM records WHERE instance = key) - created_at,"
            " ended_at - created_at FROM instances WHERE workflow = 'parallel'"
        )
    claimed, begun, over = ([float(each) for each in column] for column in zip(*taken, strict=True))
    yield Row(
        bench="fair",
        work=f"an instance beside another workflow's {size.queued:,}: created to its first record",
        unit="ms",
        samples=begun,
        goal=GOAL_MS,
        beside={
            "claimed after ms": statistics.median(claimed),
            "over after ms": statistics.median(over),
            "the other's left at the last": float(left[-1]),
        },
    )


def _left(session: Session, size: Size) -> int:
    return size.queued - session.counts("steps").get("complete", 0)


if __name__ == "__main__":
    alone(SIZES, rows)
