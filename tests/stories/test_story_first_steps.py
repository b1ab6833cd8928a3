"""A new user on one machine: init, dev, curl, trigger, list, describe; and the template's own tests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stories.processes import PLAIN, World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.processes import Process

NAME = "my-workflow"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Somebody who has just made a project out of the template."""
    world = World(tmp_path_factory.mktemp("newcomer"))
    made = world.wflow("init", NAME, "--template", "workflows", "-y", cwd=world.folder)
    assert made.code == 0, made.err
    return world


@pytest.fixture(scope="module")
def home(newcomer: World) -> Path:
    return newcomer.folder / NAME


@pytest.fixture(scope="module")
def session(newcomer: World, home: Path) -> Iterator[Process]:
    with newcomer.dev(cwd=home) as session:
        yield session


def test_a_post_starts_an_instance_that_runs_to_its_end(session: Process):
    with httpx.Client(base_url=session.url, **PLAIN) as client:
        made = client.post("/", content=b"{}")
        assert made.status_code == 201
        assert made.json()["status"] in {"queued", "running", "complete"}
        id_ = made.json()["id"]
        done = wait_for(
            lambda: complete(client.get("/", params={"id": id_}).json()), "the end of the instance"
        )
    assert done["output"] == {"key": f"result:{id_}", "items": [2, 4, 6]}


def test_the_command_line_finds_the_session_by_itself_and_tells_the_same(
    session: Process, newcomer: World, home: Path
):
    listed = newcomer.wflow("workflows", "list", "--local", cwd=home)
    assert (listed.code, NAME in listed.out) == (0, True), listed.err

    url = f"{session.url}/data"
    made = newcomer.wflow(
        "workflows", "trigger", NAME, json.dumps({"url": url}), "--id", "order-1", "--local", cwd=home
    )
    assert made.code == 0, made.err
    assert "order-1" in made.out

    def described() -> dict[str, Any] | None:
        asked = newcomer.wflow(
            "workflows", "instances", "describe", NAME, "order-1", "--local", "--json", cwd=home
        )
        return complete(json.loads(asked.out))

    done = wait_for(described, "the end of order-1")
    assert [step["name"] for step in done["steps"]] == ["fetchData-1", "process-1", "store-1"]
    assert done["params"] == {"url": url}
    latest = newcomer.wflow("workflows", "instances", "describe", NAME, "latest", "--local", cwd=home)
    assert "order-1" in latest.out
    assert "store-1" in latest.out
    instances = newcomer.wflow("workflows", "instances", "list", NAME, "--local", cwd=home)
    assert "order-1" in instances.out
    assert "complete" in instances.out


def test_the_session_says_what_it_has_and_what_happens(session: Process, newcomer: World, home: Path):
    with httpx.Client(base_url=session.url, **PLAIN) as client:
        id_ = client.post("/").json()["id"]
        wait_for(lambda: complete(client.get("/", params={"id": id_}).json()), "the end")
    told = session.says(f"{id_} complete")
    for line in (
        "Binding",
        "env.KV",
        "env.MY_WORKFLOW (MyWorkflow)",
        "env.FETCH_TIMEOUT_SECONDS (10)",
        "⎔ Starting",
    ):
        assert line in told
    session.says("POST / 201 Created (")
    session.says("GET /data 200 OK (")
    for line in ("started", "fetchData-1 done (", "Processing step 1", "process-1 done (", "store-1 done ("):
        assert told.count(f"{NAME} {id_} {line}") == 1, "each line once"


def test_the_tests_of_the_template_pass_as_they_lie(newcomer: World, home: Path):
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=home,
        env=newcomer.environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "passed" in tested.stdout


def complete(instance: dict[str, Any]) -> dict[str, Any] | None:
    assert instance["status"] not in {"errored", "terminated"}, instance
    return instance if instance["status"] == "complete" else None
