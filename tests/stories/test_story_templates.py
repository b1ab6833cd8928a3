"""The templates beside `workflows`: each is made into a project, checked, tested and run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.processes import Process

TEMPLATES = ("agent", "api", "hello", "queue-batch")


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Somebody who has made a project out of each template."""
    world = World(tmp_path_factory.mktemp("templates"))
    for name in TEMPLATES:
        made = world.wflow("init", f"our-{name}", "--template", name, "-y", cwd=world.folder)
        assert made.code == 0, made.err
    return world


def home(maker: World, template: str) -> Path:
    return maker.folder / f"our-{template}"


@pytest.fixture
def running(maker: World, request: pytest.FixtureRequest) -> Iterator[Process]:
    with maker.dev(cwd=home(maker, request.param)) as session:
        yield session


def runs(template: str) -> Any:
    return pytest.mark.parametrize("running", [template], indirect=True)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_has_nothing_to_be_mended_and_passes_its_own_tests(maker: World, template: str):
    checked = maker.wflow("check", cwd=home(maker, template))
    assert (checked.code, "no problems found" in checked.out + checked.err) == (0, True), checked.out
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=home(maker, template),
        env=maker.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout


@runs("hello")
def test_hello_greets(running: Process):
    assert running.ask("GET", "/?name=Ada").text == "Hello, Ada!"


@runs("queue-batch")
def test_orders_go_through_the_queue_into_a_workflow(running: Process):
    for count in (2, 3):
        assert running.ask("POST", "/orders", json={"article": "tea", "count": count}).status_code == 202
    counted = wait_for(
        lambda: running.ask("GET", "/totals/tea").json()["tea"] == 5 or None, "the orders to be counted"
    )
    assert counted
    assert running.says("QUEUE orders ")


@runs("agent")
def test_an_agent_waits_for_a_person_and_goes_on(running: Process):
    id_ = running.ask("POST", "/", json={"goal": "remember the milk"}).json()["id"]

    def has(key: str, value: object) -> Any:
        told = running.ask("GET", f"/{id_}").json()
        return told if told[key] == value else None

    waiting = wait_for(lambda: has("status", "waiting"), "the agent to wait for an approval")
    assert waiting["state"]["waits_for"] == "approval"
    assert running.ask("POST", f"/{id_}/approval", json={"approved": True}).status_code == 200
    done = wait_for(lambda: has("status", "complete"), "the agent's answer")
    assert done["output"]["answer"] == "Done: 'goal' is written."
    assert running.ask("GET", "/notes/goal").text == "remember the milk"


@runs("api")
def test_an_api_keeps_notes_in_its_database(maker: World, running: Process):
    applied = maker.wflow("d1", "migrations", "apply", "our-api", "--local", "-y", cwd=home(maker, "api"))
    assert applied.code == 0, applied.err
    written = running.ask("POST", "/notes", json={"title": "milk"})
    assert written.status_code == 201, written.text
    assert [note["title"] for note in running.ask("GET", "/notes?search=mi").json()] == ["milk"]
    assert running.ask("POST", "/notes", json={"title": "milk"}).status_code == 409
    assert "/docs" in running.ask("GET", "/docs").text or running.ask("GET", "/docs").status_code == 200
