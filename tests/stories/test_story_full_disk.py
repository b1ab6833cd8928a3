"""A disk that is full: what cannot be kept is refused, and all the rest goes on when there is room again."""

from __future__ import annotations

import resource
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.stories.processes import wait_for
from wflow.engine.names import KIB
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from tests.stories.processes import Process, World

INSTANCES = 20
STEPS = 40
LATE = 10
UNLIMITED = resource.RLIM_INFINITY


def test_a_full_disk_stops_the_work_and_loses_nothing(world: World):
    with world.dev() as session, session.api() as api:
        params = {"steps": STEPS, "pause_s": 0.05}
        wanted = [{"instance_id": f"c{number}", "params": params} for number in range(INSTANCES)]
        api.instances.create_batch("counting", wanted)
        wait_for(lambda: len(world.effects) >= INSTANCES * STEPS // 4, "some steps")
        # The database's log is longer, and made longer ahead; what steps tell their witness is shorter.
        let_files_grow(session, 64 * KIB)
        statuses = [create(api, f"late-{number}") for number in range(LATE)]
        assert max(statuses) >= 500
        wait_for(lambda: "[wflow:error]" in session.err or "disk" in session.err, "the news")
        # A runtime that could not keep its steps is being replaced: meanwhile one is told to come again.
        wait_for(lambda: session.ask("GET", "/version").text == "one", "an answer that needs no disk")
        let_files_grow(session, UNLIMITED)
        expected = INSTANCES + statuses.count(200)

        def done() -> bool:
            found = api.instances.list("counting", status="complete", per_page=1)
            return bool(found.info["total_count"] == expected)

        wait_for(done, "all that was taken to complete")
        assert api.instances.list("counting", per_page=1).info["total_count"] == expected
    for number in range(INSTANCES):
        mine = Counter(line for line in world.effects if line.startswith(f"c{number} "))
        assert set(mine) == {f"c{number} step-{step}" for step in range(1, STEPS + 1)}


def create(api: Any, id_: str) -> int:
    """Try to create an instance; gives the status of the answer."""
    try:
        api.instances.create("counting", {"steps": 1}, id_=id_)
    except RunnerError as refused:
        return refused.status
    return 200


def let_files_grow(session: Process, size_bytes: int) -> None:
    """Let no file of a process grow beyond a size: so a full disk looks to it."""
    resource.prlimit(session.pid, resource.RLIMIT_FSIZE, (size_bytes, UNLIMITED))
