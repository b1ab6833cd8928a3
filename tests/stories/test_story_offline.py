"""`--local` without a dev session: what the session left behind gives the same answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from tests.stories.processes import World

ASKED = (
    ("workflows", "instances", "list", "counting", "--local", "--json"),
    ("workflows", "instances", "describe", "counting", "latest", "--local", "--json"),
    ("logs", "--local", "--workflow", "counting", "--format", "json"),
)


def test_the_answers_are_the_same_with_and_without_a_session(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("counting", {"steps": 2}, id_="first")
        wait_for(lambda: api.instances.get("counting", "first")["status"] == "complete", "the end of first")
        online = [world.wflow(*command) for command in ASKED]
    offline = [world.wflow(*command) for command in ASKED]
    assert [ran.code for ran in online] == [ran.code for ran in offline] == [0] * len(ASKED)
    assert [ran.out for ran in online] == [ran.out for ran in offline]
    assert all("No dev session runs here" in ran.err for ran in offline)
    assert not any("No dev session runs here" in ran.err for ran in online)


def test_what_is_asked_for_while_nobody_runs_is_done_by_the_next_session(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {}, id_="p")
        wait_for(lambda: api.instances.get("patient", "p")["status"] == "waiting", "p to wait")
        api.instances.create("patient", {}, id_="q")
        wait_for(lambda: api.instances.get("patient", "q")["status"] == "waiting", "q to wait")
    before = world.effects
    commands = (
        ("trigger", "counting", '{"steps": 2}', "--id", "c", "--local"),
        ("instances", "send-event", "patient", "p", "--type", "go", "--payload", "7", "--local"),
        ("instances", "terminate", "patient", "q", "--local"),
    )
    for command in commands:
        done = world.wflow("workflows", *command)
        assert done.code == 0, done.err
    twice = world.wflow("workflows", "trigger", "counting", "--id", "c", "--local")
    assert twice.code == 1
    assert world.effects == before, "nothing is executed without a session"
    shown = world.wflow("workflows", "instances", "describe", "counting", "c", "--local", "--json")
    assert json.loads(shown.out)["status"] == "queued"
    with world.dev() as session, session.api() as api:
        wait_for(lambda: api.instances.get("counting", "c")["status"] == "complete", "the end of c")
        wait_for(lambda: api.instances.get("patient", "p")["status"] == "complete", "the end of p")
        assert api.instances.get("patient", "p")["output"] == ["one", 7, "one"]
        assert api.instances.get("patient", "q")["status"] == "terminated"


def test_a_project_without_state_says_how_to_get_some(world: World):
    refused = world.wflow("workflows", "instances", "list", "counting", "--local")
    assert refused.code == 1
    assert "start `wflow dev`" in refused.err


def test_the_admin_of_a_runner_that_sleeps_makes_a_token_in_its_folder(world: World):
    with world.runner():
        pass
    made = world.wflow("runner", "token", "create", "me", "--scope", "admin", "--data-dir", str(world.data))
    assert made.code == 0, made.err
    with world.runner() as runner:
        known = world.wflow("login", "--url", runner.url, stdin=made.out)
        assert known.code == 0, known.err
        held = world.wflow("runner", "token", "list", "--data-dir", str(world.data))
        assert held.code == 1
        assert "a runner is running on" in held.err
