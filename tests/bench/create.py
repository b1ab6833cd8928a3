"""Instances created over HTTP, each on disk before its answer: a runner with a token, 32 connections.

The instances wait behind a limit, so that creating is what is measured. The rows that say so have them run,
one no-op step each, while the next ones are created.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import Row, Scale
from tests.bench.session import ACCOUNT, Session, deployed
from tests.bench.suite import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_EACH: Final = 3_000.0
IN_BATCHES: Final = 10_000.0
BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Requests of one instance each, batches of 100, and how often both are measured."""

    ones: int
    batches: int
    connections: int
    rounds: int


SIZES: Final = {
    Scale.FULL: Size(ones=6_000, batches=300, connections=32, rounds=5),
    Scale.QUICK: Size(ones=3_000, batches=100, connections=32, rounds=2),
    Scale.TINY: Size(ones=4, batches=1, connections=2, rounds=1),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure on one runner after the other: one whose instances wait, one whose instances run."""
    ones, batches = (size.ones, 1), (size.batches, BATCH)
    for workflow, how in (("held", ""), ("steps", ", while they run")):
        with deployed() as session:
            for kind, goal in ((ones, ONE_EACH), (batches, IN_BATCHES)):
                each = f"in batches of {BATCH}" if kind is batches else "one each"
                taken = [_round(session, workflow, kind, size.connections) for _ in range(size.rounds)]
                yield Row(
                    bench="create",
                    work=f"create over HTTP, {size.connections} connections, {each}{how}",
                    unit="/s",
                    samples=[pace for pace, _ in taken],
                    goal=goal,
                    at_least=True,
                    beside=taken[-1][1],
                )


def _round(
    session: Session, workflow: str, kind: tuple[int, int], connections: int
) -> tuple[float, dict[str, float]]:
    requests, size = kind
    path, body = f"{ACCOUNT}/workflows/{workflow}/instances", {"params": 1}
    with session.measuring():
        if size == 1:
            told = session.load(path, connections=connections, requests=requests, body=body)
        else:
            told = session.load(
                f"{path}/batch", connections=connections, requests=requests, body=[body] * size
            )
    assert set(told["statuses"]) <= {"200", "201"}, told
    beside = {"p50 ms": told["p50_ms"], "p99 ms": told["p99_ms"], **session.each_us(requests * size)}
    return requests * size / told["seconds"], beside


if __name__ == "__main__":
    alone(SIZES, rows)
