"""What becomes of steps, and more: a test for each feature from A23 on of the table, named after its id."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import open_project, open_site, step
from tests.stories.processes import wait_for
from wflow.client.logs import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.featured import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(open_project(tmp_path_factory.mktemp("results"), "results")) as site:
        yield site


@pytest.fixture(scope="module")
def replayed(site: Site) -> Site:
    """Have instances lose their process in the middle; they go on in another, and then get their event."""
    site.start("progress", {"gate": str(site.world.folder / "gate")}, "progress")
    wait_for(lambda: len(site.look("progress", "progress")["steps"]) == 2, "the second step")
    waiting = {"streams": "film", "logs": "talker", "chances": "chance"}
    for workflow, id_ in waiting.items():
        site.start(workflow, id_=id_)
    for workflow, id_ in waiting.items():
        site.until("waiting", workflow, id_)
    site.lose_runtimes()
    for workflow, id_ in waiting.items():
        site.send(workflow, id_, "go")
        site.end(workflow, id_)
    return site


def test_a23_a_step_gives_a_stream_of_bytes_which_a_replay_reads_again(replayed: Site):
    size = 3 * 1024 * 1024
    whole = bytes(number % 251 for number in range(size))
    over = replayed.look("streams", "film")
    assert over["output"] == [size, sha256(whole).hexdigest(), size]
    assert replayed.effects("film") == [f"{size} {sha256(whole).hexdigest()}"] * 2, "read before and after"
    assert step(over, "film-1")["output"] == f"[stream of {size:,} bytes]"
    assert [each["success"] for each in step(over, "film-1")["attempts"]] == [True]


def test_a24_a_sensitive_output_is_shown_to_nobody_but_the_workflow(site: Site):
    over = site.run("secret", id_="agent")
    assert over["output"] is True
    assert step(over, "password-1")["output"] == "[REDACTED]"
    assert site.api.instances.step("secret", "agent", "password-1")["output"] == "[REDACTED]"
    shown = [over, site.events("secret", "agent"), site.api.logs.read(Wanted(workflow="secret")).lines]
    described = site.world.wflow("workflows", "instances", "describe", "secret", "agent", "--local")
    assert "[REDACTED]" in described.out
    assert "swordfish" not in f"{shown} {described.out} {site.session.err}"


def test_a25_a_failure_undoes_the_steps_that_began_the_last_one_first(site: Site):
    over = site.run("undone", id_="undone")
    assert (over["status"], over["error"]["message"]) == ("errored", "broken")
    assert site.effects("undone") == ["goes on"]
    assert site.effects("undo") == [
        "failed-1 1 None ValueError broken",
        "cut off-1 1 None ValueError broken",
        "quick-1 1 quick is done ValueError broken",
        "slow-1 1 slow is done ValueError broken",
    ]


def test_a26_a_rollback_has_retries_and_a_timeout_of_its_own(site: Site):
    over = site.run("persistent", id_="traveller")
    assert site.effects("traveller") == [f"cancels room 7 {attempt}" for attempt in range(1, 5)]
    failed = step(over, "rollback:book-1")["attempts"]
    assert [(each["error"] or {}).get("name") for each in failed] == [
        "WorkflowTimeoutError",
        "ConnectionError",
        "ConnectionError",
        None,
    ]


def test_a27_the_status_tells_how_the_rollback_went(site: Site):
    assert site.run("persistent")["rollback"] == {"outcome": "complete", "error": None}
    over = site.run("half-undone")
    assert over["rollback"] == {"outcome": "failed", "error": {"name": "ValueError", "message": "stuck"}}
    assert over["error"]["name"] == "KeyError"
    assert (site.effects("third"), site.effects("first")) == (["undone"], [])
    assert site.run("gives")["rollback"] is None


@pytest.mark.parametrize("given", [None, 7, "text", [1, {"two": [3]}], {}])
def test_a28_what_run_returns_is_the_instances_output(site: Site, given: object):
    assert site.output("gives", given) == given


def test_a29_steps_are_decorated_functions(site: Site):
    over = site.run("baking", {"loaves": 3}, "baking")
    assert over["status"] == "complete"
    assert [each["name"] for each in over["steps"]] == ["flour-1", "knead-1", "heat the oven-1", "bake-1"]
    assert len(step(over, "heat the oven-1")["attempts"]) == 2


def test_a30_a_parameter_that_is_called_like_a_step_gets_its_result_which_is_made_once(site: Site):
    over = site.run("baking", {"loaves": 4}, "injected")
    assert step(over, "knead-1")["output"] == "dough for 4"
    assert site.effects("injected") == ["flour"]


def test_a31_dependencies_can_be_listed(site: Site):
    assert site.output("baking", {"loaves": 5}) == ["dough for 5", 220, 5]


def test_a31_a_parameter_that_nothing_fills_is_told_with_what_to_do(site: Site):
    unknown, by_function, too_many, arguments = site.output("misused")
    assert unknown.startswith("Received unexpected parameter oven")
    assert by_function.startswith("Received unexpected parameter kneading")
    assert "'knead'" in by_function
    assert "depends=[kneading]" in by_function
    assert too_many == "Step declares 2 non-ctx parameter(s) but 'depends' has 1 item(s)"
    assert arguments.startswith("step 'knead' takes no arguments")


def test_a32_dependencies_can_run_side_by_side(site: Site):
    assert site.output("together") == ["met", "met"]


def test_a33_a_step_starts_another_workflow_that_goes_on_by_itself(site: Site):
    assert site.output("parent", {"how": "start"}, "starter") == "starter-child"
    site.until("waiting", "child", "starter-child")
    site.send("child", "starter-child", "go")
    assert site.end("child", "starter-child")["output"] == {"given": "by itself"}


def test_a34_a_workflow_that_is_called_gives_its_output_or_raises_its_error(site: Site):
    for id_, give in (("caller", 7), ("unlucky", "an error")):
        site.start("parent", {"how": "call", "give": give, "id": f"{id_}-child"}, id_)
        site.until("waiting", "child", f"{id_}-child")
        site.until("waiting", "parent", id_)
        site.send("child", f"{id_}-child", "go")
    assert site.end("parent", "caller")["output"] == {"given": 7}
    name, message, *notes = site.end("parent", "unlucky")["output"]
    assert (name, message) == ("ValueError", "the child fell")
    assert any("unlucky-child" in note for note in notes)


@pytest.mark.parametrize("end", ["terminate", "cancel"])
def test_a34_a_workflow_that_was_called_is_cancelled_when_its_caller_ends(site: Site, end: str):
    site.start("parent", {"how": "call", "give": 7, "id": f"{end}-child"}, end)
    site.until("waiting", "child", f"{end}-child")
    site.until("waiting", "parent", end)
    site.steer("parent", end, end)
    assert site.end("child", f"{end}-child")["status"] == "terminated"
    assert site.effects(f"{end}-child") == ["goodbye"]
    assert site.end("parent", end)["status"] == "terminated"


def test_a35_who_is_asked_to_end_is_cancelled_cleans_up_and_is_undone(site: Site):
    id_ = site.start("cancelled")
    wait_for(lambda: site.effects("long"), "the step to begin")
    site.steer("cancelled", id_, "cancel")
    over = site.end("cancelled", id_)
    assert (over["status"], over["rollback"]) == ("terminated", {"outcome": "complete", "error": None})
    assert [line for line in site.world.effects if "long " in line or "cleaned" in line] == [
        "long begins",
        "long is cancelled",
        "cleaned up",
        "long undone",
    ]


def test_a37_a_line_is_logged_once_with_its_instance_and_its_step(replayed: Site):
    assert replayed.effects("talker") == ["passes"] * 2, "it was replayed"
    lines = replayed.api.logs.read(Wanted(workflow="logs", instance="talker", search="in ")).lines
    assert [(one["message"], one["level"]) for one in lines] == [("in run", "info"), ("in a step", "warn")]
    assert {one["instance"] for one in lines} == {"talker"}
    assert (lines[1]["step"], lines[0]["data"]) == ("talk-1", {"number": 1})
    assert replayed.session.err.count("talker in run") == 1


def test_a38_time_and_chance_are_the_same_on_a_replay(replayed: Site):
    first, second = replayed.effects("chance")
    assert first == second
    drawn = replayed.look("chances", "chance")["output"]
    site_id = replayed.start("chances")
    replayed.send("chances", site_id, "go")
    others = replayed.end("chances", site_id)["output"]
    assert not set(drawn) & set(others)
    assert drawn[2] != drawn[3]
    assert all(0 <= each < 1 for each in drawn[2:])


def test_a39_code_that_contradicts_its_journal_pauses_the_instance_with_both_sides(site: Site):
    id_ = site.start("renamed")
    site.until("waiting", "renamed", id_)
    mark = len(site.session.err)
    site.world.edit("worker.py", 'ctx.do("before", lambda: 1)', 'ctx.sleep("before", 1)')
    site.session.says("Reloaded in", after=mark)
    site.send("renamed", id_, "go")
    held = site.until("paused", "renamed", id_)
    assert held["error"]["name"] == "NonDeterminismError"
    for side in ("before-1", "sleep", "do"):
        assert side in held["error"]["message"]


def test_a41_progress_is_seen_while_a_step_runs_and_outlives_its_process(replayed: Site):
    shown = replayed.look("progress", "progress")
    assert shown["progress"] == {"done": 3, "total": 10, "message": "loading"}
    assert (shown["status"], shown["state"]) == ("running", {"phase": "loaded"})
    (replayed.world.folder / "gate").touch()
    over = replayed.end("progress", "progress")
    assert over["progress"] == {"done": 10, "total": 10, "message": ""}
