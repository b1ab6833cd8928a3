"""A runner, a login, deploys: versions are pinned, bad ones change nothing, and a restart keeps all of it."""

from __future__ import annotations

import json
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import World, wait_for
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.processes import Process

WORKER = "src/worker.py"


def test_deploy_shows_what_it_ships_and_a_dry_run_needs_no_runner(world: World):
    dry = world.wflow("deploy", "--dry-run", "--outdir", str(world.folder / "dist"))
    assert dry.code == 0, dry.err
    assert dry.out.startswith("Total Upload: ")
    assert "env.COUNTING (Counting)" in dry.out
    assert dry.out.endswith("--dry-run: exiting now.\n")
    with tarfile.open(world.folder / "dist" / "bundle.tar.gz") as packed:
        assert any(name.endswith("src/worker.py") for name in packed.getnames())
    refused = world.wflow("deploy")
    assert refused.code == 1
    assert "you are not logged in to a runner" in refused.err


def test_a_deployed_worker_answers_and_its_instances_complete(world: World):
    with logged_in(world) as runner:
        who = world.wflow("whoami")
        assert (who.code, "admin" in who.out) == (0, True), who.err
        done = world.wflow("deploy", "--message", "first")
        assert done.code == 0, done.err
        for told in ("Uploaded shop (", f"  {runner.url}", "  workflow: counting", "Current Version ID: "):
            assert told in done.out
        made = runner.ask("POST", "/counting", json={"steps": 3})
        assert made.status_code == 201
        with runner.api(token_of(runner)) as api:
            assert output(api, "counting", made.json()["id"]) == 3
            (version,) = api.scripts.versions("shop")
        assert (version["number"], version["message"], version["author"]) == (1, "first", "admin")
        assert len(world.effects) == 3
        assert runner.ask("GET", "/greeting").text == "hello"


def test_an_instance_stays_on_the_version_it_began_with_and_new_ones_take_the_new(world: World):
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        first = ship(world, api)
        api.instances.create("patient", {}, id_="old")
        wait_for(lambda: status(api, "patient", "old") == "waiting", "old to wait")
        world.edit(WORKER, 'VERSION = "one"', 'VERSION = "two"')
        second = ship(world, api)
        assert first != second
        assert runner.ask("GET", "/version").text == "two"
        api.instances.create("patient", {}, id_="new")
        wait_for(lambda: status(api, "patient", "new") == "waiting", "new to wait")
        for id_ in ("old", "new"):
            api.instances.send_event("patient", id_, "go", id_)
        assert output(api, "patient", "old") == ["one", "old", "one"]
        assert output(api, "patient", "new") == ["two", "new", "two"]
        assert api.instances.get("patient", "old", simple=True)["versionId"] == first
        assert api.instances.get("patient", "new", simple=True)["versionId"] == second


def test_a_restart_keeps_tokens_versions_instances_and_logs(world: World):
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        token = token_of(runner)
        ship(world, api)
        api.instances.create("patient", {}, id_="old")
        wait_for(lambda: status(api, "patient", "old") == "waiting", "old to wait")
        world.edit(WORKER, 'VERSION = "one"', 'VERSION = "two"')
        ship(world, api)
        created = {one["name"]: one["created_on"] for one in api.workflows.list().items}
        assert runner.end() == 0
    # Code that lies on disk is made anew from the store.
    for folder in (world.data / "versions").iterdir():
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        folder.rmdir()
    with world.runner() as runner, runner.api(token) as api:
        assert runner.out == "", "a token is shown once"
        assert [one["number"] for one in api.scripts.versions("shop")] == [2, 1]
        assert {one["name"]: one["created_on"] for one in api.workflows.list().items} == created
        assert runner.ask("GET", "/version").text == "two"
        api.instances.send_event("patient", "old", "go", 1)
        assert output(api, "patient", "old") == ["one", 1, "one"]
        assert "before-1" in {line["step"] for line in api.logs.read().lines}


def test_a_workflow_that_a_new_version_no_longer_has_ends_its_instances_and_takes_no_new_ones(world: World):
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        token = token_of(runner)
        ship(world, api)
        for id_ in ("before", "after"):
            api.instances.create("patient", {}, id_=id_)
            wait_for(lambda: status(api, "patient", id_) == "waiting", f"{id_} to wait")  # noqa: B023
        entry = '[[workflows]]\nname = "patient"\nbinding = "PATIENT"\nclass_name = "Patient"\n'
        world.edit("wflow.toml", entry, "")
        ship(world, api)
        api.instances.send_event("patient", "before", "go", 1)
        assert output(api, "patient", "before") == ["one", 1, "one"]
        with pytest.raises(RunnerError, match="'shop' no longer declares workflow 'patient'"):
            api.instances.create("patient", {})
        runner.end()
    with world.runner() as runner, runner.api(token) as api:
        api.instances.send_event("patient", "after", "go", 2)
        assert output(api, "patient", "after") == ["one", 2, "one"]
        assert world.wflow("workflows", "trigger", "patient").code == 1


def test_a_deploy_whose_import_fails_shows_the_users_traceback_and_changes_nothing(world: World):
    with logged_in(world) as runner, runner.api(token_of(runner)) as api:
        ship(world, api)
        before = kept(world, api)
        text = (world.project / WORKER).read_text().replace('"one"', '"two"')
        world.write(WORKER, f"{text}\n\ndef price():\n    return 1 / 0\n\n\nprice()\n")
        failed = world.wflow("deploy")
        assert failed.code == 1
        assert "in price" in failed.err
        assert "ZeroDivisionError" in failed.err
        assert "wflow/runtime" not in failed.err, "the frames of wflow are no use to the user"
        assert kept(world, api) == before
        assert runner.ask("GET", "/version").text == "one"


def test_a_workflow_name_that_is_another_workers_is_refused(world: World):
    with logged_in(world) as runner, runner.api(token_of(runner)) as api:
        deploy(world)
        before = kept(world, api)
        world.edit("wflow.toml", 'name = "shop"', 'name = "market"')
        refused = world.wflow("deploy")
        assert refused.code == 1
        assert "belongs to the Worker 'shop' on this runner" in refused.err
        assert kept(world, api) == before
        assert [one["id"] for one in api.scripts.list()] == ["shop"]


def test_two_workers_live_side_by_side_and_are_called_by_their_host(world: World):
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        ship(world, api)
        config = (world.project / "wflow.toml").read_text()
        for name in ("counting", "gated", "patient", "clumsy"):
            config = config.replace(f'name = "{name}"', f'name = "{name}-too"')
        world.write("wflow.toml", config.replace('name = "shop"', 'name = "market"'))
        world.edit(WORKER, 'VERSION = "one"', 'VERSION = "market"')
        ship(world, api)
        port = runner.url.rpartition(":")[2]
        answers = {
            name: runner.ask("GET", "/version", headers={"host": f"{name}.localhost:{port}"}).text
            for name in ("shop", "market")
        }
        assert answers == {"shop": "one", "market": "market"}
        assert runner.ask("GET", "/version").status_code == 404


def test_what_fetch_raises_is_logged_and_hidden_from_strangers(world: World):
    with world.runner() as runner, runner.api(token_of(runner)) as api:
        ship(world, api)
        answer = runner.ask("GET", "/broken")
        assert answer.status_code == 500
        assert "jammed" not in answer.text
        assert "Traceback" not in answer.text
        assert "x-wflow-error" not in answer.headers
        lines = wait_for(
            lambda: [one for one in api.logs.read().lines if "jammed" in one["message"]], "the log"
        )
        assert lines[0]["level"] == "error"
    with world.dev() as session:
        answer = session.ask("GET", "/broken")
        assert answer.status_code == 500
        assert "RuntimeError: the till is jammed" in answer.text
        assert "worker.py" in answer.text
        assert "x-wflow-error" not in answer.headers
        session.says("GET /broken 500 Internal Server Error (")


def test_a_tail_sees_each_line_once_and_what_was_logged_can_be_read_later(world: World):
    with logged_in(world) as runner, runner.api(token_of(runner)) as api:
        deploy(world)
        with world.start("logs", "--tail", "--format", "json").ending() as tail:
            tail.says("Waiting for logs")
            for number in range(5):
                runner.ask("POST", "/counting", json={"steps": 2})
                runner.ask("GET", f"/print?text=line-{number}")
            wait_for(lambda: tail.out.count('"counted"') == 5 and "line-4" in tail.out, "the lines")
            ids = [one["id"] for one in api.instances.list("counting").items]
            for id_ in ids:
                output(api, "counting", id_)
            wait_for(lambda: tail.out.count('"message":"complete"') == 5, "the ends")
            seen = [json.loads(line) for line in tail.out.splitlines()]
        cursors = [line["cursor"] for line in seen]
        assert cursors == sorted(set(cursors)), "in order, none twice"
        for id_ in ids:
            told = [(line["step"], line["message"]) for line in seen if line["instance"] == id_]
            assert told == [
                ("", "started"),
                ("step-1", "done"),
                ("step-2", "done"),
                ("", "counted"),
                ("", "complete"),
            ]
        assert [line["message"] for line in seen if line["message"].startswith("line-")] == [
            f"line-{number}" for number in range(5)
        ]
        stored = world.wflow("logs", "--since", "10m", "--format", "json")
        kept_lines = [json.loads(line) for line in stored.out.splitlines()]
        assert [line for line in kept_lines if line["cursor"] in set(cursors)] == seen


def test_tokens_are_made_listed_and_revoked_and_open_only_what_they_should(world: World):
    with logged_in(world) as runner:
        deploy(world)
        made = world.wflow("runner", "token", "create", "ci", "--scope", "read")
        reader = made.out.strip()
        assert (made.code, reader.startswith("wf_")) == (0, True), made.err
        listed = world.wflow("runner", "token", "list")
        assert "ci" in listed.out
        assert reader not in listed.out
        create = "/client/v4/accounts/local/workflows/counting/instances"
        body = {"instance_id": "x", "params": {"steps": 1}}
        for token, status_code in ((None, 401), ("wf_0000000000000000_" + "x" * 43, 401), (reader, 403)):
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            answer = runner.ask("POST", create, json=body, headers=headers)
            assert answer.status_code == status_code
            assert answer.json()["success"] is False
        answer = runner.ask("GET", create, headers={"authorization": f"Bearer {reader}"})
        assert answer.json()["result"] == [], "nothing was done"
        revoked = world.wflow("runner", "token", "revoke", "ci")
        assert revoked.code == 0, revoked.err
        answer = runner.ask("GET", create, headers={"authorization": f"Bearer {reader}"})
        assert answer.status_code == 401
        assert runner.ask("GET", "/healthz").json() == {"status": "ok"}


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


def deploy(world: World) -> str:
    """Deploy the project; gives the version's id."""
    done = world.wflow("deploy", "--json")
    assert done.code == 0, done.err
    return str(json.loads(done.out)["id"])


def ship(world: World, api: Any) -> str:
    """Deploy the project without the command line; gives the version's id."""
    packed = pack(load(path=world.project / "wflow.toml"))
    return str(api.scripts.deploy(packed.manifest.name, packed.data, digest=packed.manifest.digest)["id"])


def kept(world: World, api: Any) -> tuple[object, ...]:
    """Give all that a refused deploy must leave as it was."""
    return (
        api.scripts.versions("shop"),
        api.workflows.list().items,
        sorted(folder.name for folder in (world.data / "versions").iterdir()),
    )


def status(api: Any, workflow: str, id_: str) -> str:
    return str(api.instances.get(workflow, id_, simple=True)["status"])


def output(api: Any, workflow: str, id_: str) -> Any:
    wait_for(lambda: status(api, workflow, id_) == "complete", f"the end of {id_}")
    return api.instances.get(workflow, id_, simple=True)["output"]
