"""The same work on wflow and on DBOS (SQLite), in turn, side by side: `make bench-peers`.

Creating goes over HTTP with us, and is a call in the same process with DBOS. What DBOS is given is told in
`dbos_work.py`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tests.bench import alone, create, parallel, steps
from tests.bench.__main__ import ROOT, machine
from tests.bench.measured import Scale, columns, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.measured import Row

WORK: Final = Path(__file__).parent / "dbos_work.py"
PINNED: Final = Path(__file__).parent / "requirements.txt"
HEADS: Final = ("work", "wflow", "range", "DBOS", "range", "wflow is quicker by")
PATIENCE_S: Final = 600.0


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both; ``at_least`` says that more is better."""

    work: str
    unit: str
    ours: list[float]
    theirs: list[float]
    at_least: bool

    @property
    def quicker(self) -> float:
        """How many times as quick as DBOS we are."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return ours / theirs if self.at_least else theirs / ours


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each."""

    steps: steps.Size
    alone: alone.Size
    parallel: parallel.Size
    create: create.Size
    instances: int
    enqueued: int
    rounds: int


SIZES: Final = {
    Scale.FULL: Size(
        steps=steps.Size(shapes=("1000x10",), rounds=3),
        alone=alone.Size(steps=10, count=5, rounds=3),
        parallel=parallel.Size(steps=1_000, count=3),
        create=create.Size(ones=6_000, batches=300, connections=32, rounds=3),
        instances=1_000,
        enqueued=2_000,
        rounds=3,
    ),
    Scale.QUICK: Size(
        steps=steps.Size(shapes=("1000x10",), rounds=1),
        alone=alone.Size(steps=10, count=5, rounds=1),
        parallel=parallel.Size(steps=1_000, count=1),
        create=create.Size(ones=3_000, batches=100, connections=32, rounds=1),
        instances=100,
        enqueued=500,
        rounds=1,
    ),
}


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers")
    parser.add_argument("--python", type=Path, required=True, help="one that has what is pinned here")
    parser.add_argument("--scale", type=Scale, choices=sorted(SIZES), default=Scale.FULL)
    given = parser.parse_args()
    now = datetime.now(UTC)
    pairs = measured(SIZES[given.scale], given.python)
    file = ROOT / ".bench" / f"peers-{now:%Y-%m-%d-%H%M%S}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode({"at": now, "of": machine(), "rows": pairs})))
    print(f"{machine()}, {PINNED.read_text().strip()}, {now:%Y-%m-%d}\n\n{table(pairs)}\n\n{file}")


def measured(size: Size, python: Path) -> list[Pair]:
    """Measure both in turn, kind by kind."""
    theirs: list[tuple[str, dict[str, Any]]] = [
        ("steps", {"steps": [size.instances, 10]}),
        ("alone", {"alone": [size.alone.steps, size.alone.count]}),
        ("parallel", {"parallel": size.parallel.steps}),
    ]
    ours = [steps.rows(size.steps), alone.rows(size.alone), parallel.rows(size.parallel)]
    pairs = []
    for (name, asked), rows in zip(theirs, ours, strict=True):
        sys.stderr.write(f"{name}\n")
        told = [_theirs(python, asked)[name] for _ in range(size.rounds)]
        pairs.append(_pair(next(iter(rows)), [each for round_ in told for each in round_]))
    sys.stderr.write("create\n")
    one_each, in_batches = list(create.rows(size.create))[:2]
    created = [_theirs(python, {"create": size.enqueued}) for _ in range(size.rounds)]
    pairs.append(_pair(one_each, [each for one in created for each in one["one each"]]))
    pairs.append(_pair(in_batches, [each for one in created for each in one["in batches"]]))
    return pairs


def table(pairs: Sequence[Pair]) -> str:
    """Lay them out side by side."""
    return "\n".join(columns([HEADS, *(_cells(pair) for pair in pairs)]))


def _pair(row: Row, theirs: list[float]) -> Pair:
    return Pair(work=row.work, unit=row.unit, ours=row.samples, theirs=theirs, at_least=row.at_least)


def _cells(pair: Pair) -> tuple[str, ...]:
    def both(samples: list[float]) -> tuple[str, str]:
        spread = f"{figure(min(samples))} to {figure(max(samples))}" if len(samples) > 1 else ""
        return f"{figure(statistics.median(samples))} {pair.unit}", spread

    return (pair.work, *both(pair.ours), *both(pair.theirs), f"{figure(pair.quicker)} x")


def _theirs(python: Path, asked: dict[str, Any]) -> dict[str, list[float]]:
    done = subprocess.run(
        [python, WORK, json.dumps(asked)], stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S
    )
    told: dict[str, list[float]] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    main()
