"""Storms from outside: the runner is killed, the disk is full, the store takes five seconds to answer."""

from __future__ import annotations

import contextlib
import resource
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING

from tests.stories.processes import World, lives, wait_for
from tests.storms.judge import PAIRS, Measure, judge
from tests.storms.races import names
from tests.storms.shelter import STILL_S, WEATHER
from wflow.errors import WflowError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stories.processes import Process
    from tests.storms.races import Verdicts

ROUNDS = 3
PAUSE_S = 0.03
KILLS = 2
SLOW_S = 5.0
FULL_S = 0.3
UNLIMITED = resource.RLIM_INFINITY
BATCH = 100
PARAMS = {"rounds": ROUNDS, "pause_s": PAUSE_S}


def death_of_the_runner(folder: Path, runs: int, *, processes: int = 1) -> Verdicts:
    """Kill the runner in the middle of it all; another one goes on from what is on disk."""
    ids, world = names(runs), house(folder)
    for kill in range(KILLS):
        with world.dev("--processes", str(processes)) as session:
            if kill == 0:
                create(session, ids)
            reached(world, runs * (kill + 1) // (KILLS + 1))
            left = session.kill()
            wait_for(lambda: not any(map(lives, left)), "the end of the orphans")  # noqa: B023
    with world.dev() as session:
        over(world, session, runs)
        session.end()
    return judge(world.state, world.witness, ids, Measure(cuts=KILLS))


def full_disk(folder: Path, runs: int) -> Verdicts:
    """Let no file of the runner grow for a while, twice; what was taken in is done once there is room."""
    ids, world = names(runs), house(folder)
    cuts = 2
    with world.dev() as session:
        create(session, ids)
        for time_ in range(cuts):
            reached(world, runs * (time_ + 1) // (cuts + 1))
            before = set(session.runtimes())
            # What it prints is a file here, and no part of the storm.
            let_grow(session.pid, len(session.err.encode()) + 65_536)
            # A runtime whose commit was refused is ended.
            wait_for(lambda: not before <= set(session.runtimes()), "a refusal")  # noqa: B023
            time.sleep(FULL_S)
            # Runtimes that were started meanwhile have inherited it.
            for pid in (session.pid, *session.runtimes()):
                let_grow(pid, UNLIMITED)
        over(world, session, runs)
        session.end()
    # Each refusal costs the runtime its memory; while the disk is full it is started anew a few times.
    return judge(world.state, world.witness, ids, Measure(cuts=10))


def slow_store(folder: Path, runs: int) -> Verdicts:
    """Have somebody else hold the database for five seconds: every commit and every answer waits for that."""
    ids, world = names(runs), house(folder)
    with world.dev() as session:
        create(session, ids)
        reached(world, runs // 3)
        db = sqlite3.connect(world.state / "wflow.sqlite", timeout=30, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            time.sleep(SLOW_S)
            db.execute("ROLLBACK")
        finally:
            db.close()
        over(world, session, runs)
        assert "locked" not in session.err
        session.end()
    return judge(world.state, world.witness, ids)


def let_grow(pid: int, size_bytes: int) -> None:
    """Let a process write nothing beyond so many bytes of a file: so a full disk looks to it."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, UNLIMITED))


def house(folder: Path, project: Path = WEATHER) -> World:
    """Have a person with the project of a storm, who has not begun yet."""
    world = World(folder)
    shutil.copytree(project, world.project, ignore=shutil.ignore_patterns("__pycache__", ".wflow"))
    world.edit("wflow.toml", "/dev/null", str(world.witness))
    return world


def create(session: Process, ids: list[str], workflow: str = "pairs", params: object = PARAMS) -> None:
    """Create instances of a workflow over the API."""
    with session.api() as api:
        for start in range(0, len(ids), BATCH):
            wanted = [{"instance_id": id_, "params": params} for id_ in ids[start : start + BATCH]]
            assert len(api.instances.create_batch(workflow, wanted)) == len(wanted)


def reached(world: World, instances: int) -> None:
    """Wait until as much has been done as so many instances do."""
    lines = instances * ROUNDS * len(PAIRS)
    wait_for(lambda: count(world.witness) >= lines, f"{lines} steps", seconds=600)


def count(witness: Path) -> int:
    return witness.read_bytes().count(b"\n") if witness.exists() else 0


def over(world: World, session: Process, runs: int) -> None:
    """Wait until all are over, or until nothing has happened for a while; the judge says which."""
    with session.api() as api:
        before, since = (-1, -1), time.monotonic()
        while before[0] < runs and time.monotonic() - since < STILL_S:
            with contextlib.suppress(WflowError):
                done = int(api.instances.list("pairs", status="complete", per_page=1).info["total_count"])
                if (done, count(world.witness)) != before:
                    before, since = (done, count(world.witness)), time.monotonic()
            time.sleep(0.02)
