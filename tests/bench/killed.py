"""`kill -9` of the runner in the middle of a thousand instances, and a new one over what it left.

The effect of a step is a line in a file: instance, step, process. From these lines, and from the journal as
it was on disk when the runner had died, follows what was lost, and what was run again though it was settled.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import meter
from tests.bench.measured import Row, Scale
from tests.bench.session import deploy, started, world
from tests.bench.suite import alone
from wflow.engine import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL_S: Final = 1.0
PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """So many instances of so many steps, which last ``pause_s`` each; killed ``rounds`` times, half way."""

    instances: int
    steps: int
    pause_s: float
    rounds: int


SIZES: Final = {
    Scale.FULL: Size(instances=1_000, steps=10, pause_s=0.1, rounds=5),
    Scale.QUICK: Size(instances=1_000, steps=10, pause_s=0.1, rounds=2),
    Scale.TINY: Size(instances=100, steps=4, pause_s=0.02, rounds=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One death: seconds from the restart to the first effect and to the last end, and what went wrong."""

    first_s: float
    over_s: float
    lost: int
    again: int
    settled: int


def rows(size: Size) -> Iterator[Row]:
    """Kill as often as asked, each time in a world of its own."""
    told = [_death(size) for _ in range(size.rounds)]
    count = f"{size.instances:,} instances"
    yield Row(
        bench="killed",
        work=f"kill -9 of the runner amid {count}: restart until they go on",
        unit="s",
        samples=[one.first_s for one in told],
        goal=GOAL_S,
        beside={"settled when killed": sum(one.settled for one in told) / len(told)},
    )
    yield Row(
        bench="killed",
        work="restart until all are over",
        unit="s",
        samples=[one.over_s for one in told],
        beside={"of that the steps' own s": size.steps * size.pause_s / 2},
    )
    yield Row(
        bench="killed",
        work="effects lost",
        unit="",
        samples=[float(sum(one.lost for one in told))],
        goal=0,
    )
    yield Row(
        bench="killed",
        work="settled steps run again",
        unit="",
        samples=[float(sum(one.again for one in told))],
        goal=0,
    )


class Witness:
    """The file that effects are lines of; each look reads what is new."""

    def __init__(self, path: Path) -> None:
        """Begin with an empty one."""
        path.touch()
        self.path = path
        self.lines: list[list[str]] = []
        self._read = 0

    def look(self) -> list[list[str]]:
        """Read on; gives the new lines' words."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        new = [line.split() for line in whole.decode().splitlines()]
        self.lines += new
        return new


def _death(size: Size) -> Told:
    with world() as here:
        witness = Witness(here.folder / "witness.txt")
        params = {"file": str(witness.path), "pause_s": size.pause_s, "steps": size.steps}
        with started(here) as session:
            deploy(session)
            session.fill("EFFECTS", size.instances, params)
            began = time.perf_counter()
            while len(witness.lines) < size.instances * size.steps // 2:
                assert time.perf_counter() - began < PATIENCE_S, session.process.err
                witness.look()
                time.sleep(LOOK_S)
            before = {str(pid) for pid in meter.runtimes(session.process.pid)}
            os.kill(session.process.pid, signal.SIGKILL)
        settled = _settled(session.data, here.folder / "copy")
        began = time.perf_counter()
        with started(here) as session:
            while all(pid in before for _, _, pid in witness.look()):
                assert time.perf_counter() - began < PATIENCE_S, session.process.err
                time.sleep(LOOK_S)
            first_s = time.perf_counter() - began
            session.until("effects", size.instances, poll_s=0.01)
            over_s = time.perf_counter() - began
            witness.look()
    done = {(instance, step) for instance, step, _ in witness.lines}
    redone = {(instance, step) for instance, step, pid in witness.lines if pid not in before}
    return Told(
        first_s=first_s,
        over_s=over_s,
        lost=size.instances * size.steps - len(done),
        again=len(redone & settled),
        settled=len(settled),
    )


def _settled(data: Path, copy: Path) -> set[tuple[str, str]]:
    """Read from a copy of the database, instance by instance, which steps were settled."""
    copy.mkdir()
    for file in data.glob("wflow.sqlite*"):
        shutil.copy(file, copy)
    statement = "SELECT i.id, r.body FROM records r JOIN instances i ON i.key = r.instance"
    with closing(sqlite3.connect(copy / "wflow.sqlite")) as db:
        decoded = ((id_, facts.decode(body)) for id_, body in db.execute(statement))
        return {
            (id_, fact.key.rpartition("-")[0]) for id_, fact in decoded if isinstance(fact, facts.Settled)
        }


if __name__ == "__main__":
    alone(SIZES, rows)
