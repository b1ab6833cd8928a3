"""The dev session: a test for each feature of the table's group F that is there, named after its id."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import World, wait_for
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.processes import Process
    from wflow.client.api import Api

WORKER = "src/worker.py"
FAULTS = """
from wflow.testing import crash_at


async def test_a_step_fails_and_hangs_as_often_as_it_is_told(wflow):
    async with wflow.introspect_instance(wflow.env.CLUMSY, "a") as instance:
        instance.mock_step_error("sound", ConnectionError("no route"), times=1)
        instance.force_step_timeout("clumsy", times=2)
        await wflow.env.CLUMSY.create(id="a", params={"falls": 0})
        await instance.wait_for_status("complete")


@crash_at((2, "after"))
async def test_a_death_at_any_write_changes_nothing(wflow):
    instance = await wflow.env.COUNTING.create(params={"steps": 1, "pause_s": 0})
    assert await instance.result() == 0
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("shop")).open_shop()


@pytest.fixture(scope="module")
def session(shop: World) -> Iterator[Process]:
    with shop.dev() as session:
        yield session


def status(api: Api, workflow: str, id_: str) -> Any:
    return api.instances.get(workflow, id_)["status"]


def ended(api: Api, workflow: str, id_: str) -> Any:
    """Wait until an instance is complete; gives its output."""
    wait_for(lambda: status(api, workflow, id_) == "complete", f"the end of {id_}")
    return api.instances.get(workflow, id_)["output"]


def test_f1_the_state_is_kept_where_it_is_asked_for(world: World):
    kept = world.folder / "kept"
    with world.dev("--persist-to", str(kept)) as session, session.api() as api:
        api.instances.create("counting", {"steps": 1}, id_="one")
        assert ended(api, "counting", "one") == 0
    assert (kept / "wflow.sqlite").is_file()
    assert not (world.project / ".wflow" / "state").exists()
    with world.dev("--persist-to", str(kept)) as session, session.api() as api:
        assert status(api, "counting", "one") == "complete"


def test_f2_what_is_under_way_goes_on_in_the_code_that_is_saved(shop: World, session: Process):
    with session.api() as api:
        api.instances.create("patient", {}, id_="f2")
        wait_for(lambda: status(api, "patient", "f2") == "waiting", "the wait")
        mark = len(session.err)
        text = (shop.project / WORKER).read_text()
        shop.write(WORKER, text.replace('VERSION = "one"', 'VERSION = "two"'))
        session.says("Reloaded", after=mark)
        api.instances.send_event("patient", "f2", "go", 1)
        assert ended(api, "patient", "f2") == ["one", 1, "two"]
        shop.write(WORKER, text)
        wait_for(lambda: session.ask("GET", "/version").text == "one", "the code as it was")


def test_f3_what_slept_when_the_session_ended_wakes_by_itself_in_the_next(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {"sleep": 1_500}, id_="sleeps")
        wait_for(lambda: status(api, "patient", "sleeps") == "waiting", "the sleep")
        session.kill()
    with world.dev() as session, session.api() as api:
        assert ended(api, "patient", "sleeps") == ["one", "one"]
    assert world.effects == ["sleeps before", "sleeps after"]


def test_f7_a_history_is_gone_through_forward_and_back(shop: World, session: Process):
    with session.api() as api:
        api.instances.create("counting", {"steps": 3}, id_="f7")
        ended(api, "counting", "f7")
    walk = "next\nnext\nvalue\nback\nlocals\ngoto 3\nvalue\nq\n"
    stepped = shop.wflow("replay", "f7", "--local", "--step", stdin=walk)
    assert stepped.code == 0, stepped.err
    lines = stepped.out.splitlines()
    assert any(line.startswith("2/3  step-2") for line in lines)
    assert any(line.startswith("3/3  step-3") for line in lines)
    assert "    total = 0" in lines


def test_f8_an_instance_runs_again_from_a_step_with_the_code_as_it_is_now(shop: World, session: Process):
    with session.api() as api:
        api.instances.create("patient", {"sleep": 1}, id_="f8")
        assert ended(api, "patient", "f8") == ["one", "one"]
        text = (shop.project / WORKER).read_text()
        shop.write(WORKER, text.replace('VERSION = "one"', 'VERSION = "mended"'))
        wait_for(lambda: session.ask("GET", "/version").text == "mended", "the code")
        again = shop.wflow(
            "workflows", "instances", "restart", "patient", "f8", "--local", "--from-step-name", "after"
        )
        assert again.code == 0, again.err
        wait_for(lambda: api.instances.get("patient", "f8")["output"] == ["one", "mended"], "the other end")
        shop.write(WORKER, text)
        wait_for(lambda: session.ask("GET", "/version").text == "one", "the code as it was")


def test_f13_several_workers_run_side_by_side_each_in_its_session(shop: World, session: Process):
    folder = shop.folder / "branch"
    shutil.copytree(shop.project, folder, ignore=shutil.ignore_patterns("__pycache__", ".wflow"))
    with shop.dev(cwd=folder) as branch:
        assert branch.url != session.url
        assert [one.ask("GET", "/version").text for one in (branch, session)] == ["one", "one"]
        with branch.api() as api, session.api() as other:
            api.instances.create("counting", {"steps": 1}, id_="f13")
            assert ended(api, "counting", "f13") == 0
            with pytest.raises(RunnerError, match="f13"):
                status(other, "counting", "f13")


def test_f14_a_debugger_stops_at_any_step_of_a_recorded_run(shop: World, session: Process):
    with session.api() as api:
        api.instances.create("counting", {"steps": 3}, id_="f14")
        ended(api, "counting", "f14")
    debugged = shop.wflow("replay", "f14", "--local", "--step", stdin="goto 2\npdb\np total, number\nc\nq\n")
    assert debugged.code == 0, debugged.err
    assert "(0, 1)" in debugged.out.splitlines()


def test_f17_failures_and_deaths_are_made_on_demand_in_tests(shop: World):
    (shop.project / "test_faults.py").write_text(FAULTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_faults.py"],
        cwd=shop.project,
        env=shop.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
