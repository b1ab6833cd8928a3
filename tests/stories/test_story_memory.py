"""Memory: whoever sleeps costs little, and beyond a few thousand of them a runtime takes no more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from tests.stories.processes import Process, World

SLEEPERS = 3_500
"""More than have room in a runtime's memory."""
BATCH = 100
RUNNER_BYTES, RUNTIME_BYTES = 12_000, 30_000
"""What each may cost, generously."""


@pytest.mark.skipif(sys.platform != "linux", reason="a process's memory is read from /proc")
def test_who_sleeps_costs_little_and_what_is_kept_of_them_has_an_end(world: World):
    with world.dev() as session, session.api() as api:
        sleep(api, 1)
        before = memory(session)
        sleep(api, SLEEPERS)
        some = memory(session)
        sleep(api, SLEEPERS)
        more = memory(session)
    assert some[0] - before[0] < SLEEPERS * RUNNER_BYTES
    assert more[0] - some[0] < SLEEPERS * RUNNER_BYTES
    assert some[1] - before[1] < SLEEPERS * RUNTIME_BYTES
    assert more[1] - some[1] < (some[1] - before[1]) / 2, "the first ones made room"


def sleep(api: Any, count: int) -> None:
    """Have so many more instances sleep, and wait until all do."""
    there = waiting(api)
    wanted = [{"params": {"sleep": "1 hour"}}] * count
    for start in range(0, count, BATCH):
        api.instances.create_batch("patient", wanted[start : start + BATCH])
    wait_for(lambda: waiting(api) == there + count, "all to sleep", seconds=60)


def waiting(api: Any) -> int:
    listed = api.instances.list("patient", status="waiting", per_page=1)
    return int(listed.info["total_count"])


def memory(session: Process) -> tuple[int, int]:
    """Tell how many bytes the runner takes, and its runtimes together."""
    return resident(session.pid), sum(map(resident, session.runtimes()))


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))
