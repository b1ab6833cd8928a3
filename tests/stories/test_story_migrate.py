"""Instances that go on in another version: one, many, while they run, and while the runner is killed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import World, wait_for
from wflow.bundle.pack import pack
from wflow.client.logs import Wanted
from wflow.config.load import load
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from tests.stories.processes import Process

WORKER = "src/worker.py"
NEW = ('VERSION = "one"', 'VERSION = "two"')
STEPS = 60


def test_a_person_moves_one_and_then_all_that_fit(world: World):
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        world.wflow("login", "--url", runner.url, stdin=f"{token_of(runner)}\n")
        old = ship(world, api)
        for id_ in ("a", "b", "c"):
            api.instances.create("patient", {}, id_=id_)
            reaches(api, "patient", id_, "waiting")
        world.edit(WORKER, *NEW)
        world.edit(WORKER, 'ctx.do("before"', 'ctx.do("before" if event.instance_id != "c" else "other"')
        new = ship(world, api)
        tried = world.wflow("workflows", "instances", "migrate", "patient", "a", "c", "--dry-run")
        assert tried.code == 1
        assert tried.out.startswith("a: fits\nc: ")
        assert "code:    step 'other-1' (do), src/worker.py:" in tried.out
        assert {version_of(api, "patient", id_) for id_ in "abc"} == {old}
        moved = world.wflow("workflows", "instances", "migrate", "patient", "a")
        assert (moved.code, moved.out) == (0, f"a: moved to version {new}\n"), moved.err
        rest = world.wflow("workflows", "instances", "migrate", "patient", "--all", "--to", new)
        assert rest.code == 1
        assert f"b: moved to version {new}\n" in rest.out
        assert "c: the journal goes on with step 'before-1'" in rest.out
        assert "1 of 2 instances was not migrated" in rest.err
        for id_, after in (("a", "two"), ("b", "two"), ("c", "one")):
            api.instances.send_event("patient", id_, "go", 1)
            assert output(api, "patient", id_) == ["one", 1, after]
        assert ("", f"moved to version {new}") in said(api, "a")
        back = world.wflow("workflows", "instances", "migrate", "patient", "a", "--to", old)
        assert (back.code, "cannot_migrate" in back.out) == (1, True)


def test_a_step_that_takes_long_is_not_cut(world: World):
    gate = world.folder / "gate"
    world.lose_patience()
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        old = ship(world, api)
        api.instances.create("gated", {"gate": str(gate)}, id_="g")
        wait_for(lambda: "g begins" in world.effects, "the step")
        new = ship(world, api)
        with pytest.raises(RunnerError, match="did not come to rest within 1 s: it runs work-1") as refused:
            api.instances.migrate("gated", "g")
        assert refused.value.status == 409
        assert version_of(api, "gated", "g") == old
        gate.touch()
        assert output(api, "gated", "g") == "one"
        assert new != old
    assert world.effects == ["g begins", "g ends"]


def test_in_a_dev_session_it_is_refused_with_the_reason(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {}, id_="p")
        reaches(api, "patient", "p", "waiting")
        port = session.url.rpartition(":")[2]
        refused = world.wflow("workflows", "instances", "migrate", "patient", "p", "--local", "--port", port)
        assert refused.code == 1
        assert "a dev session has one version" in refused.out


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_runner_that_is_killed_meanwhile_leaves_each_on_one_of_the_two_and_nothing_is_lost(
    world: World, count: int
):
    ids = [f"i{number}" for number in range(4)]
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        token = token_of(runner)
        old = ship(world, api)
        for id_ in ids:
            api.instances.create("counting", {"steps": STEPS, "pause_s": 0.05}, id_=id_)
        wait_for(lambda: len(world.effects) > 2 * len(ids), "some steps")
        new = ship(world, api)
        moved: list[str] = []
        asking = threading.Thread(target=ask_for_all, args=(runner, token, ids, moved))
        asking.start()
        wait_for(lambda: len(moved) > count, f"{count} to be moved, and the next to be under way")
        runner.kill()
        asking.join()
    world.hurry()
    with world.runner() as runner, runner.api(token) as api:
        for id_ in ids:
            assert output(api, "counting", id_) == sum(range(STEPS))
            version = version_of(api, "counting", id_)
            assert version == new if id_ in moved[:count] else version in {old, new}
            lines = said(api, id_)
            assert lines.count(("", f"moved to version {new}")) == (version == new)
            settled = [step for step, text in lines if text == "done"]
            assert settled == [f"step-{number}" for number in range(1, STEPS + 1)]


def ask_for_all(runner: Process, token: str, ids: list[str], moved: list[str]) -> None:
    """Have instances moved one after the other; ``moved`` gets each as it is asked for."""
    with runner.api(token) as api:
        for id_ in ids:
            moved.append(id_)
            try:
                api.instances.migrate("counting", id_)
            except RunnerError:
                return


def said(api: Any, id_: str) -> list[tuple[str, str]]:
    """Give the steps and the messages of all lines of an instance."""
    page = api.logs.read(Wanted(instance=id_), since="1h", limit=1_000)
    return [(line.get("step", ""), line["message"]) for line in page.lines]


def token_of(runner: Process) -> str:
    return wait_for(lambda: str(runner.out).strip(), "the first token")


def ship(world: World, api: Any) -> str:
    """Deploy the project without the command line; gives the version's id."""
    packed = pack(load(path=world.project / "wflow.toml"))
    return str(api.scripts.deploy(packed.manifest.name, packed.data, digest=packed.manifest.digest)["id"])


def version_of(api: Any, workflow: str, id_: str) -> str:
    return str(api.instances.get(workflow, id_, simple=True)["versionId"])


def output(api: Any, workflow: str, id_: str) -> Any:
    reaches(api, workflow, id_, "complete")
    return api.instances.get(workflow, id_, simple=True)["output"]


def reaches(api: Any, workflow: str, id_: str, status: str) -> None:
    wait_for(lambda: api.instances.get(workflow, id_, simple=True)["status"] == status, f"{id_}: {status}")
