"""Two million instances queued behind a limit, against a thousand: what they cost others, and the runner.

They are created by a Worker, in batches. Two runners, one with few and one with all of them, are asked the
same in turn: pages of the list over the API, the instance in the middle, and, when they have stopped, claims
of their stores.
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

from tests.bench import meter
from tests.bench.measured import Row, Scale
from tests.bench.session import ACCOUNT, deployed
from tests.bench.suite import alone
from wflow import stores
from wflow.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.session import Session

WORKFLOW: Final = "held"
BEHIND: Final = 1.2
"""How much longer anything may take than with few queued."""
BATCH: Final = 100
CLAIMED: Final = 10
AT_ONCE: Final = 8
WARM: Final = 5
"""Requests before those that count."""
GROWTH_MB: Final = 16.0
"""What the runner may take more for the second half of the queue: nothing but noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many are few, how many are many, how soon many are to be there, and how often each is asked."""

    few: int
    many: int
    within_s: float
    asks: int


SIZES: Final = {
    Scale.FULL: Size(few=1_000, many=2_000_000, within_s=120, asks=101),
    Scale.QUICK: Size(few=1_000, many=100_000, within_s=6, asks=51),
    Scale.TINY: Size(few=100, many=200, within_s=60, asks=2),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure on two runners, one with few and one with many, which are asked in turn."""
    with deployed() as small, deployed() as big:
        small.fill("HELD", size.few)
        yield from _fill(big, size)
        yield from _asks(small, big, size)
        yield Row(
            bench="queued",
            work="the runner after all that was asked",
            unit="MB",
            samples=[meter.memory_mb(big.process.pid)],
        )
        small.process.end()
        big.process.end()
        few, many = asyncio.run(_claims(small.data, big.data, min(size.asks, size.few // CLAIMED // 2)))
        yield _compared(f"claim of {CLAIMED}", few, many, size)


def _fill(session: Session, size: Size) -> Iterator[Row]:
    half = size.many // 2
    looks = {}
    session.fill("HELD", size.few)
    looks[size.few] = meter.memory_mb(session.process.pid)
    took = session.fill("HELD", half - size.few, at_once=AT_ONCE)
    looks[half] = meter.memory_mb(session.process.pid)
    took += session.fill("HELD", size.many - half, at_once=AT_ONCE)
    looks[size.many] = meter.memory_mb(session.process.pid)
    yield Row(
        bench="queued",
        work=f"{size.many:,} enqueued",
        unit="s",
        samples=[took],
        goal=size.within_s,
        beside={"a second": (size.many - size.few) / took},
    )
    yield Row(
        bench="queued",
        work=f"the runner's memory grows, {half:,} to {size.many:,}",
        unit="MB",
        samples=[looks[size.many] - looks[half]],
        goal=GROWTH_MB,
        beside={f"at {count:,} MB": each for count, each in looks.items()},
    )


def _asks(small: Session, big: Session, size: Size) -> Iterator[Row]:
    listed = f"{ACCOUNT}/workflows/{WORKFLOW}/instances"
    last_page = size.few // BATCH
    what = {
        "list, the first page": listed,
        f"list, page {last_page}": f"{listed}?page={last_page}&per_page={BATCH}",
        "list, from a cursor in the middle": f"{listed}?cursor={{key}}",
        "list of the queued": f"{listed}?status=queued",
        "list of the complete": f"{listed}?status=complete",
        "describe": f"{listed}/{{id}}",
    }
    with small.asking() as ask_small, big.asking() as ask_big:
        for name, path in what.items():
            of_small, of_big = _filled(small, path), _filled(big, path)
            both = [(ask_small(of_small), ask_big(of_big)) for _ in range(WARM + size.asks)][WARM:]
            yield _compared(name, [few for few, _ in both], [many for _, many in both], size)


def _filled(session: Session, path: str) -> str:
    """Have a path speak of the instance in the middle."""
    ((key, id_),) = session.sql(
        "SELECT key, id FROM instances WHERE key >= (SELECT max(key) / 2 FROM instances) LIMIT 1"
    )
    return path.format(key=key, id=id_)


async def _claims(small: Path, big: Path, times: int) -> tuple[list[float], list[float]]:
    """Claim from both stores in turn, some at a time; what is claimed stays so."""
    opened = [await stores.connect(f"sqlite://{data}") for data in (small, big)]
    took: tuple[list[float], list[float]] = ([], [])
    try:
        for number in range(times):
            for store, each in zip(opened, took, strict=True):
                began = time.perf_counter()
                claims = await store.claim({WORKFLOW: CLAIMED}, owner="bench", now=clock.now())
                if number >= times // 5:  # not those that found a cold cache
                    each.append((time.perf_counter() - began) * 1e3)
                assert len(claims) == CLAIMED, claims
    finally:
        for store in opened:
            await store.close()
    return took


def _compared(what: str, few: list[float], many: list[float], size: Size) -> Row:
    before = statistics.median(few)
    return Row(
        bench="queued",
        work=f"{what}, {size.many:,} against {size.few:,} queued",
        unit="x",
        samples=[statistics.median(many) / before],
        goal=BEHIND,
        beside={"ms": statistics.median(many), "before ms": before},
    )


if __name__ == "__main__":
    alone(SIZES, rows)
