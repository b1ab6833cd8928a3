"""Before a deploy goes live it is tried on what is not finished, and the person says what becomes of that."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.processes import Process

WORKER = "src/worker.py"
NEW = ('VERSION = "one"', 'VERSION = "two"')
RENAMED = ('ctx.do("before"', 'ctx.do("preparation"')


@pytest.fixture
def shop(world: World) -> Iterator[tuple[Process, Any]]:
    """Have a runner with the first version of the shop, where two instances wait and one is over."""
    world.lose_patience()
    with logged_in(world) as runner, runner.api(token_of(runner)) as api:
        done = world.wflow("deploy")
        assert done.code == 0, done.err
        assert "Rehearsal" not in done.out
        assert "unfinished" not in done.err, "nothing is, and there is nothing to say of that"
        api.instances.create("counting", {"steps": 1}, id_="over")
        for id_ in ("first", "second"):
            api.instances.create("patient", {}, id_=id_)
            reaches(api, "patient", id_, "waiting")
        reaches(api, "counting", "over", "complete")
        yield runner, api


def test_a_deploy_that_fits_says_so_and_what_began_stays_where_it_is(world: World, shop):
    _, api = shop
    old = live(api)
    world.edit(WORKER, *NEW)
    done = world.wflow("deploy")
    assert done.code == 0, done.err
    assert "Rehearsal: 2 of 2 unfinished instances tried, 2 fit this version" in done.out
    assert "pin, as there is no terminal to ask on" in done.err
    assert live(api) != old
    assert {version_of(api, id_) for id_ in ("first", "second")} == {old}
    assert finish(api, "first") == ["one", "go", "one"]


def test_a_deploy_that_does_not_fit_shows_journal_and_code_and_can_be_stopped(world: World, shop):
    runner, api = shop
    old = live(api)
    world.edit(WORKER, *NEW)
    world.edit(WORKER, *RENAMED)
    refused = world.wflow("deploy", "--instances", "stop", "--sample", "all")
    assert refused.code == 1
    assert "Rehearsal: 2 of 2 unfinished instances tried, 0 fit this version" in refused.out
    assert "patient second and 1 more: " in refused.out
    lines = (world.project / WORKER).read_text().splitlines()
    number = next(at for at, line in enumerate(lines, 1) if '"preparation"' in line)
    assert f"journal: step 'before-1' (do), src/worker.py:{number} before = await ctx.do(" in refused.out
    assert f"code:    step 'preparation-1' (do), src/worker.py:{number} before = await ctx.do(" in refused.out
    assert "guess:" in refused.out
    assert "is uploaded and not live: 2 unfinished instances would not fit" in refused.err
    assert live(api) == old
    assert runner.ask("GET", "/version").text == "one"
    assert len(api.scripts.versions("shop")) == 2, "it is kept"
    assert finish(api, "first") == ["one", "go", "one"]


def test_what_does_not_fit_is_no_obstacle_to_who_pins_it(world: World, shop):
    runner, api = shop
    world.edit(WORKER, *NEW)
    world.edit(WORKER, *RENAMED)
    done = world.wflow("deploy", "--instances", "pin")
    assert done.code == 0, done.err
    assert runner.ask("GET", "/version").text == "two"
    assert finish(api, "first") == ["one", "go", "one"]


def test_those_that_fit_go_along_and_the_others_stay(world: World, shop):
    _, api = shop
    old = live(api)
    world.edit(WORKER, *NEW)
    # The second one's step is called otherwise now; the first one's is not.
    world.edit(
        WORKER,
        'ctx.do("before"',
        'ctx.do("before" if event.instance_id == "first" else "preparation"',
    )
    done = world.wflow("deploy", "--instances", "migrate")
    assert done.code == 0, done.err
    assert "Rehearsal: 2 of 2 unfinished instances tried, 1 fit this version" in done.out
    assert done.out.endswith("Migrated 1 instance; 1 stayed\n")
    assert "patient second: " in done.err
    assert version_of(api, "first") == live(api)
    assert version_of(api, "second") == old
    assert finish(api, "first") == ["one", "go", "two"]
    assert finish(api, "second") == ["one", "go", "one"]
    mine = [effect for effect in world.effects if not effect.startswith("over")]
    assert sorted(mine) == ["first after", "first before", "second after", "second before"]


def test_a_program_gets_the_verdict_as_json(world: World, shop):
    world.edit(WORKER, *RENAMED)
    done = world.wflow("deploy", "--json", "--instances", "stop")
    assert done.code == 1
    told = json.loads(done.out)
    assert (told["live"], told["rehearsals"]["total"], told["rehearsals"]["fit"]) == (False, 2, 0)
    assert told["rehearsals"]["misfits"][0]["divergence"]["requested"]["key"] == "preparation-1"


def test_code_that_blocks_when_it_is_tried_does_not_hold_the_deploy_for_ever(world: World, shop):
    _, api = shop
    start = "    async def run(self, event: Event, ctx: Context) -> list[Any]:\n"
    blocks = '        if event.instance_id == "second":\n            __import__("time").sleep(600)\n'
    world.edit(WORKER, start, f"{start}{blocks}")
    done = world.wflow("deploy", "--instances", "pin")
    assert done.code == 0, done.err
    assert "2 of 2 unfinished instances tried, 1 fit this version" in done.out
    assert "patient second: the code did not come to rest within 3 s" in done.out
    assert finish(api, "second") == ["one", "go", "one"]


@contextmanager
def logged_in(world: World) -> Iterator[Process]:
    """Have a new runner that the person is logged in to."""
    with world.runner() as runner:
        token = wait_for(lambda: token_of(runner), "the first token")
        known = world.wflow("login", "--url", runner.url, stdin=f"{token}\n")
        assert known.code == 0, known.err
        yield runner


def token_of(runner: Process) -> str:
    return runner.out.strip()


def live(api: Any) -> str:
    """Give the version that is live."""
    (share,) = api.scripts.deployments("shop").items[0]["versions"]
    return str(share["version_id"])


def version_of(api: Any, id_: str) -> str:
    return str(api.instances.get("patient", id_, simple=True)["versionId"])


def finish(api: Any, id_: str) -> Any:
    """Send what an instance waits for; gives its output."""
    api.instances.send_event("patient", id_, "go", "go")
    reaches(api, "patient", id_, "complete")
    return api.instances.get("patient", id_, simple=True)["output"]


def reaches(api: Any, workflow: str, id_: str, status: str) -> None:
    wait_for(lambda: api.instances.get(workflow, id_, simple=True)["status"] == status, f"{id_}: {status}")
