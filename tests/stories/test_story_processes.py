"""Several processes for one version: instances are spread over them, one dies, new code replaces them all."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stories.processes import PLAIN, lives, read_journals, wait_for

if TYPE_CHECKING:
    from tests.stories.processes import Process, World
    from wflow.client.api import Api

WORKER = "src/worker.py"
STEPS = 6
HEAVY = '''

class Heavy(WorkflowEntrypoint):
    """Steps that compute and await nothing; or one that holds its process until another one does."""

    async def run(self, event: Event, ctx: Context) -> list[int]:
        if "meets" in event.payload:
            return [await ctx.do("meet", self._meet, event.instance_id, event.payload["meets"])]
        steps = range(event.payload["steps"])
        return [await ctx.do("crunch", self._crunch, event.instance_id) for _ in steps]

    def _crunch(self, instance_id: str) -> int:
        print(f"{instance_id} in {os.getpid()}")
        ends = time.thread_time() + 0.01
        while time.thread_time() < ends:
            pass
        tell(self.env.WITNESS, instance_id, os.getpid())
        return os.getpid()

    async def _meet(self, instance_id: str, other: str) -> int:
        place = Path(self.env.WITNESS).parent
        (place / f"{instance_id}.met").touch()
        while not (place / f"{other}.met").exists():
            pass  # whatever else is in this process does not go on meanwhile
        return os.getpid()


class Default'''


@pytest.fixture
def world(world: World) -> World:
    """The shop, with a workflow that has much to compute."""
    world.edit(WORKER, "\n\nclass Default", HEAVY)
    world.edit(WORKER, "import json\n", "import json\nimport os\nimport time\n")
    world.edit(
        "wflow.toml",
        "[[kv_namespaces]]",
        '[[workflows]]\nname = "heavy"\nbinding = "HEAVY"\nclass_name = "Heavy"\n\n[[kv_namespaces]]',
    )
    return world


def test_steps_of_different_instances_compute_side_by_side_in_different_processes(world: World):
    with world.dev("--processes", "2") as session, session.api() as api:
        crew = crewed(session, 2)
        ids = [f"h{number}" for number in range(8)]
        wanted = [{"instance_id": id_, "params": {"steps": STEPS}} for id_ in ids]
        api.instances.create_batch("heavy", wanted)
        outputs = {id_: output(api, "heavy", id_) for id_ in ids}
        workers = Counter(pid for pids in outputs.values() for pid in pids)
        assert set(workers) == crew
        assert set(workers.values()) == {STEPS * len(ids) // 2}, "each has its half"
        assert all(len(set(pids)) == 1 for pids in outputs.values()), "nothing moved one from here to there"
        for id_ in ids:
            session.says(f"{id_} in {outputs[id_][0]}")

        for id_, other in (("left", "right"), ("right", "left")):
            api.instances.create("heavy", {"meets": other}, id_=id_)
        met = [output(api, "heavy", id_)[0] for id_ in ("left", "right")]
        assert set(met) == crew, "each held its process until the other one did"

        left = session.runtimes()
        assert len(left) == 3, "one is there for the next reload"
        assert session.end(signal.SIGINT) == 0
    wait_for(lambda: not any(map(lives, left)), "the end of all of them")


def test_a_save_replaces_all_of_them_and_no_request_is_refused_meanwhile(world: World):
    answers: list[tuple[int, str]] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=session.url, **PLAIN) as client:
            while not done.is_set():
                answer = client.get("/slow?seconds=0.02")
                answers.append((answer.status_code, answer.text))

    with world.dev("--processes", "2") as session:
        before = crewed(session, 2)
        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        with session.api() as api:
            for number in range(4):
                api.instances.create("counting", {"steps": 60}, id_=f"c{number}")
        wait_for(lambda: {f"c{n} step-3" for n in range(4)} <= set(world.effects), "some steps")
        world.edit(WORKER, 'VERSION = "one"', 'VERSION = "two"')
        wait_for(lambda: answers and answers[-1][1] == "two", "the new code to answer")
        wait_for(lambda: not any(map(lives, before)), "the end of those before")
        after = crewed(session, 2)
        done.set()
        for asker in askers:
            asker.join()
        assert not before & after
        assert {status for status, _ in answers} == {200}
        assert "two" in {text for _, text in answers}
        with session.api() as api:
            for number in range(4):
                output(api, "counting", f"c{number}")
        steps = [line for line in world.effects if line.startswith("c")]
        assert sorted(steps) == sorted(f"c{n} step-{step}" for n in range(4) for step in range(1, 61))


def test_a_runner_loses_one_process_of_three_again_and_again_and_no_settled_step(world: World):
    instances, kills = 40, 3
    with world.runner("--processes", "3") as runner:
        token = runner.out.strip()
        world.wflow("login", "--url", runner.url, "--token", token)
        assert world.wflow("deploy").code == 0
        with runner.api(token) as api:
            wanted = [
                {"instance_id": f"h{number}", "params": {"steps": STEPS}} for number in range(instances)
            ]
            api.instances.create_batch("heavy", wanted)
        lost: set[str] = set()
        for kill in range(1, kills + 1):
            enough = instances * STEPS * kill // (kills + 2)
            wait_for(lambda: len(world.effects) >= enough, "more steps")  # noqa: B023
            victim = int(world.effects[-1].split()[1])
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: not lives(victim), "the end of the process")  # noqa: B023
            lost |= {line.split()[0] for line in world.effects if line.endswith(f" {victim}")}
        with runner.api(token) as api:
            for number in range(instances):
                output(api, "heavy", f"h{number}")
        runner.end()
    pids = {line.split()[1] for line in world.effects}
    assert len(pids) >= 3
    on_disk = read_journals(world.data, world.folder, "heavy")
    assert on_disk.ends == {(f"h{number}", "complete"): 1 for number in range(instances)}
    again = {
        id_: n - STEPS for id_, n in Counter(line.split()[0] for line in world.effects).items() if n > STEPS
    }
    assert again.keys() <= lost, "the others went on as if nothing had happened"
    assert max(again.values(), default=0) <= kills


def crewed(session: Process, many: int) -> set[int]:
    """Have instances until so many processes are seen to work; give their ids."""
    seen: set[int] = set()
    with session.api() as api:
        for _ in range(200):
            ids = [api.instances.create("heavy", {"steps": 2})["id"] for _ in range(many)]
            seen = {pid for id_ in ids for pid in output(api, "heavy", id_)}
            if len(seen) == many:
                return seen
    raise AssertionError(f"only {seen} work")


def output(api: Api, workflow: str, id_: str) -> list[int]:
    """Wait for an instance to complete; give its output."""

    def done() -> dict[str, Any] | None:
        found = api.instances.get(workflow, id_)
        assert found["status"] in {"queued", "running", "waiting", "complete"}, found
        return found if found["status"] == "complete" else None

    found: list[int] = wait_for(done, f"{id_} to complete")["output"]
    return found
