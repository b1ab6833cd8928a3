"""Versions of a deployed Worker: uploads, rollbacks, gradual deployments; instances stay where they began."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import Process, World, wait_for
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.runner.deployments import point

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = "src/worker.py"
LOW = [f"i{number}" for number in range(60) if point("shop", f"i{number}") < 70][:3]
HIGH = [f"i{number}" for number in range(60) if point("shop", f"i{number}") >= 70][:3]
"""Ids, and keys of visitors, of the lower 70 and the upper 30 percent."""


@pytest.fixture
def runner(world: World) -> Iterator[Process]:
    """Have a runner that the person is logged in to."""
    with world.runner() as runner:
        runner.token = wait_for(runner.out.strip, "the first token")
        known = world.wflow("login", "--url", runner.url, stdin=f"{runner.token}\n")
        assert known.code == 0, known.err
        yield runner


def packed(world: World) -> Any:
    return pack(load(path=world.project / "wflow.toml"))


def ship(world: World, api: Any, version: str = "one") -> str:
    """Deploy the project as this version of its code; gives the version's id."""
    text = (world.project / WORKER).read_text()
    start = text.index('VERSION = "')
    end = text.index("\n", start)
    world.write(WORKER, f'{text[:start]}VERSION = "{version}"{text[end:]}')
    bundle = packed(world)
    return str(api.scripts.deploy("shop", bundle.data, digest=bundle.manifest.digest)["id"])


def told(world: World, *arguments: str) -> Any:
    """Run a command that goes well; gives its JSON."""
    ran = world.wflow(*arguments, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def over(api: Any, workflow: str, id_: str) -> Any:
    """Wait for an instance's end; gives it."""
    wait_for(
        lambda: api.instances.get(workflow, id_, simple=True)["status"] == "complete", f"the end of {id_}"
    )
    return api.instances.get(workflow, id_, simple=True)


def test_a_step_that_lasts_over_every_kind_of_deployment_ends_where_it_began(world: World, runner: Process):
    gate = world.folder / "gate"
    with runner.api(runner.token) as api:
        one = ship(world, api)
        api.instances.create("gated", {"gate": str(gate)}, id_="old")
        wait_for(lambda: "old begins" in world.effects, "the step to begin")
        (before,) = runner.runtimes()
        two = ship(world, api, "two")
        api.scripts.release("shop", {one: 100}, trigger="rollback")
        api.scripts.release("shop", {one: 50, two: 50})
        api.scripts.release("shop", {two: 100})
        assert before in runner.runtimes(), "nobody has ended the runtime of the first version"
        api.instances.create("gated", {"gate": str(gate)}, id_="new")
        wait_for(lambda: "new begins" in world.effects, "the new one's step to begin")
        gate.touch()
        old, new = (over(api, "gated", id_) for id_ in ("old", "new"))
    assert (old["output"], old["versionId"], old["version_number"]) == ("one", one, 1)
    assert (new["output"], new["versionId"], new["version_number"]) == ("two", two, 2)
    assert sorted(world.effects) == ["new begins", "new ends", "old begins", "old ends"], "no attempt was cut"


def test_a_runner_that_is_killed_over_a_running_step_goes_on_with_it_on_its_version(
    world: World, runner: Process
):
    gate = world.folder / "gate"
    with runner.api(runner.token) as api:
        one = ship(world, api)
        api.instances.create("gated", {"gate": str(gate)}, id_="old")
        wait_for(lambda: "old begins" in world.effects, "the step to begin")
        two = ship(world, api, "two")
        api.scripts.release("shop", {one: 70, two: 30})
        live = api.scripts.deployments("shop").items
        runner.kill()
    gate.touch()
    with world.runner() as again, again.api(runner.token) as api:
        assert api.scripts.deployments("shop").items == live
        old = over(api, "gated", "old")
        assert (old["output"], old["versionId"]) == ("one", one)
        visits = {key: visited(again, key) for key in (*LOW, *HIGH)}
        assert visits == {**dict.fromkeys(LOW, "one"), **dict.fromkeys(HIGH, "two")}


def visited(runner: Process, key: str) -> str:
    return runner.ask("GET", "/version", headers={"Cloudflare-Workers-Version-Key": key}).text


def test_versions_are_uploaded_looked_at_and_deployed_little_by_little(world: World, runner: Process):
    with runner.api(runner.token) as api:
        one = ship(world, api)
        world.edit(WORKER, 'VERSION = "one"', 'VERSION = "two"')
        uploaded = world.wflow("versions", "upload", "--message", "retry", "--tag", "next")
        assert uploaded.code == 0, uploaded.err
        two = uploaded.out.rpartition("Worker Version ID: ")[2].strip()
        assert runner.ask("GET", "/version").text == "one", "an upload is not live"
        assert [one["number"] for one in told(world, "versions", "list")] == [1, 2]
        viewed = world.wflow("versions", "view", two[:8])
        assert "env.COUNTING (Counting)" in viewed.out
        assert "Tag:                 next" in viewed.out

        refused = world.wflow("versions", "deploy", "1@70", "2@40")
        assert refused.code == 1
        assert "the shares make 110% together" in refused.err
        done = world.wflow("versions", "deploy", "1@70", "2", "--message", "slowly")
        assert done.code == 0, done.err
        assert done.out.startswith(f"Deployed shop version {one} at 70% and version {two} at 30% (")
        for id_ in (*LOW, *HIGH):
            api.instances.create("patient", {"sleep": 1}, id_=id_)
        assert {over(api, "patient", id_)["versionId"] for id_ in LOW} == {one}
        assert {over(api, "patient", id_)["versionId"] for id_ in HIGH} == {two}
        assert [visited(runner, key) for key in (LOW[0], HIGH[0])] == ["one", "two"]
        status = world.wflow("deployments", "status")
        assert f"Version(s):  (30%) {two}" in status.out
        described = world.wflow("workflows", "instances", "describe", "patient", HIGH[0])
        assert f"Version Id:            {two} (number 2)" in described.out

        api.instances.create("patient", {"sleep": "1 hour"}, id_="stays")
        stays = api.instances.get("patient", "stays", simple=True)["versionId"]
        for share in (60, 100):
            told(world, "versions", "deploy", f"2@{share}", *(["1"] if share < 100 else []))
        assert {visited(runner, key) for key in (*LOW, *HIGH)} == {"two"}
        back = world.wflow("rollback", "--yes", "--message", "it was slow")
        assert back.code == 0, back.err
        assert f"Worker Version {one} (number 1) has been deployed to 100% of traffic." in back.out
        assert runner.ask("GET", "/version").text == "one"
        assert api.instances.get("patient", "stays", simple=True)["versionId"] == stays
    listed = told(world, "deployments", "list")
    assert [[share["percentage"] for share in one["versions"]] for one in listed] == [
        [100],
        [30, 70],
        [60, 40],
        [100],
        [100],
    ]
    assert listed[-1]["annotations"] == {"workers/message": "it was slow", "workers/triggered_by": "rollback"}


def test_a_version_whose_code_does_not_import_is_no_version(world: World, runner: Process):
    with runner.api(runner.token) as api:
        ship(world, api)
    text = (world.project / WORKER).read_text()
    world.write(WORKER, f"{text}\n\n1 / 0\n")
    refused = world.wflow("versions", "upload")
    assert refused.code == 1
    assert "ZeroDivisionError" in refused.err
    assert [one["number"] for one in told(world, "versions", "list")] == [1]


def test_a_deploy_that_is_cut_off_by_a_kill_leaves_one_version_or_the_other(world: World, runner: Process):
    with runner.api(runner.token) as api:
        first = ship(world, api)
    world.edit(WORKER, 'VERSION = "one"', 'VERSION = "two"')
    with world.start("versions", "upload", "--json").ending() as upload:
        wait_for(lambda: len(list((world.data / "versions").iterdir())) == 2, "the code of the upload")
        runner.kill()
        wait_for(lambda: upload.code is not None, "the command to end")
        assert upload.code == 1
    with world.runner() as again, again.api(runner.token) as api:
        assert again.ask("GET", "/version").text == "one"
        kept = [one["id"] for one in api.scripts.versions("shop")]
        assert kept[-1] == first
        assert {folder.name for folder in (world.data / "versions").iterdir()} <= set(kept)
        assert ship(world, api, "three") not in kept
        assert again.ask("GET", "/version").text == "three"
        assert again.end(signal.SIGTERM) == 0
