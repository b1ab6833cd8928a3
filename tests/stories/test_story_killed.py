"""Kill what runs, at any moment: all of it goes on by itself, and no step that has settled runs again."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.stories.processes import lives, read_journals, wait_for

if TYPE_CHECKING:
    from tests.stories.processes import Process, World

INSTANCES = 120
STEPS = 10
PAUSE_S = 0.1
"""How long each step takes: long enough to be killed in the middle of it all."""
ORPHANS_S = 2.0


def test_a_dev_session_that_was_killed_goes_on_by_itself_and_repeats_no_settled_step(world: World):
    with world.dev() as session:
        create(session)
        killed = kill_half_way(world, session, world.state)
    with world.dev() as session:
        wait_until_complete(session)
        session.end()
    judge(world, killed, world.state)


def test_a_runner_that_was_killed_goes_on_by_itself_and_repeats_no_settled_step(world: World):
    with world.runner() as runner:
        token = runner.out.strip()
        world.wflow("login", "--url", runner.url, "--token", token)
        assert world.wflow("deploy").code == 0
        create(runner, token)
        killed = kill_half_way(world, runner, world.data)
    with world.runner() as runner:
        assert runner.out == "", "the first token is shown once"
        wait_until_complete(runner, token)
        runner.end()
    judge(world, killed, world.data)


def test_a_runtime_that_is_killed_again_and_again_loses_and_repeats_nothing(world: World):
    kills = 3
    with world.dev() as session, session.api() as api:
        create(session)
        for kill in range(1, kills + 1):
            wait_for(lambda: len(world.effects) >= INSTANCES * STEPS * kill // (kills + 2), "more steps")  # noqa: B023
            # What the API shows as settled is on disk.
            settled = {step for number in range(0, INSTANCES, 10) for step in steps_of(api, f"c{number}")}
            seen = len(world.effects)
            assert seen < INSTANCES * STEPS
            victim = runtime_at_work(session)
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: not lives(victim), "the end of the runtime")  # noqa: B023
            wait_for(lambda: len(world.effects) > seen, "steps after the kill")  # noqa: B023
            assert not settled & told(world.effects[seen:])
        wait_until_complete(session)
        session.end()
    assert max(Counter(world.effects).values()) <= kills + 1
    judge(world, Killed(settled=frozenset(), seen=0), world.state)


def test_a_workflow_goes_on_from_the_step_that_failed_on_purpose(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("clumsy", {"falls": 3}, id_="c")
        done = wait_for(lambda: over(api.instances.get("clumsy", "c")), "the end of c")
    assert done["output"] == "stands"
    assert world.effects == ["c sound", *["c clumsy"] * 4]
    sound, clumsy = done["steps"]
    assert (sound["name"], len(sound["attempts"])) == ("sound-1", 1)
    assert [attempt["success"] for attempt in clumsy["attempts"]] == [False, False, False, True]


def test_an_instance_killed_during_its_retries_keeps_count_of_them(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("clumsy", {"falls": 5}, id_="c")
        wait_for(lambda: world.effects.count("c clumsy") >= 3, "three attempts")
        session.kill()
    with world.dev() as session, session.api() as api:
        done = wait_for(lambda: over(api.instances.get("clumsy", "c")), "the end of c")
    assert done["output"] == "stands"
    assert world.effects.count("c sound") == 1
    assert world.effects.count("c clumsy") in {6, 7}, "six attempts, and one that may have been cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What was on disk at a kill, and how many effects there had been."""

    settled: frozenset[tuple[str, str]]
    seen: int


def create(runner: Process, token: str | None = None) -> None:
    with runner.api(token) as api:
        params = {"steps": STEPS, "pause_s": PAUSE_S}
        for start in range(0, INSTANCES, 100):
            numbers = range(start, min(start + 100, INSTANCES))
            wanted = [{"instance_id": f"c{number}", "params": params} for number in numbers]
            assert len(api.instances.create_batch("counting", wanted)) == len(numbers)


def kill_half_way(world: World, runner: Process, store: Path) -> Killed:
    """Kill a runner in the middle of its work, and see its runtimes end by themselves."""
    wait_for(lambda: len(world.effects) >= INSTANCES * STEPS // 2, "half of the steps")
    runtimes = runner.kill()
    assert runtimes
    wait_for(lambda: not any(map(lives, runtimes)), "the end of the orphans", seconds=ORPHANS_S)
    on_disk = read_journals(store, world.folder, "counting")
    assert "running" in on_disk.statuses.values(), "it was killed too late to tell anything"
    return Killed(settled=on_disk.settled, seen=len(world.effects))


def wait_until_complete(runner: Process, token: str | None = None) -> None:
    """Look, and do nothing else, until every instance has ended."""
    with runner.api(token) as api:

        def counts() -> bool:
            listed = api.instances.list("counting", status="complete", per_page=1)
            return bool(listed.info["total_count"] == INSTANCES)

        wait_for(counts, "all complete")


def judge(world: World, killed: Killed, store: Path) -> None:
    """Every step was done, none again whose outcome had been on disk, and every instance ended once."""
    on_disk = read_journals(store, world.folder, "counting")
    everything = {
        (f"c{number}", f"step-{step}") for number in range(INSTANCES) for step in range(1, STEPS + 1)
    }
    assert told(world.effects) == everything
    assert not killed.settled & told(world.effects[killed.seen :])
    assert on_disk.settled == everything
    assert on_disk.ends == {(f"c{number}", "complete"): 1 for number in range(INSTANCES)}
    assert set(on_disk.statuses.values()) == {"complete"}


def told(effects: list[str]) -> set[tuple[str, str]]:
    return {(instance, key) for instance, _, key in (line.partition(" ") for line in effects)}


def steps_of(api: Any, id_: str) -> list[tuple[str, str]]:
    return [(id_, step["name"]) for step in api.instances.get("counting", id_)["steps"] if step["success"]]


def runtime_at_work(session: Process) -> int:
    """Give the runtime that has used the most time: the spare one has nothing to do."""
    return max(session.runtimes(), key=cpu_of)


def cpu_of(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def over(instance: dict[str, Any]) -> dict[str, Any] | None:
    return instance if instance["status"] in {"complete", "errored", "terminated"} else None
