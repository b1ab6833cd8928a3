"""What the engine does with it: a test for each feature of the table's group B, named after its id."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import (
    FEATURES,
    Shown,
    Site,
    gate_of,
    moment,
    open_gate,
    open_project,
    open_site,
    step,
)
from tests.stories.processes import lives, wait_for
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.processes import World

KIB = 1024
MIB = 1024 * KIB
PLACES, QUEUE = 6, 6
"""What the file with the small limits says of how many instances run at once; and of how many are queued."""
WORK = {"many": PLACES + QUEUE // 2, "few": QUEUE}
"""More than there are places for, by the name of a workflow."""


@dataclass(frozen=True, slots=True)
class Killed:
    """A session that was killed in the middle of everything, and is there again."""

    site: Site
    back_at: datetime
    before: dict[str, Shown]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = open_project(tmp_path_factory.mktemp("engine"), "engine")
    world.environment["PYTHONPATH"] = str(FEATURES / "small")
    return world


@pytest.fixture(scope="module")
def killed(world: World) -> Iterator[Killed]:
    """Begin all that is to survive, kill the session with its state, change the code, and start it again."""
    with open_site(world) as site:
        begin(site)
        before = {f"{workflow} {id_}": site.look(workflow, id_) for workflow, id_, *_ in SURVIVORS}
        orphans = site.session.kill()
        wait_for(lambda: not any(map(lives, orphans)), "the end of the orphans")
    world.edit("worker.py", 'RETRIES = {"limit": 1', 'RETRIES = {"limit": 5')
    world.edit("worker.py", 'VERSION = "one"', 'VERSION = "two"')
    open_gate(world, "recovery")
    wait_for(lambda: moment(before["timers short"]["steps"][0]["end"]) < now(), "the time of a sleeper")
    with open_site(world) as again:
        back_at = now()
        for workflow, id_, _, after in SURVIVORS:
            again.until(after, workflow, id_)
        yield Killed(again, back_at, before)


@pytest.fixture(scope="module")
def site(killed: Killed) -> Site:
    return killed.site


SURVIVORS = [
    ("replayed", "replayed", "waiting", "waiting"),
    ("failed", "failed", "waiting", "waiting"),
    ("pair", "event", "waiting", "waiting"),
    ("pair", "paused", "paused", "paused"),
    ("frozen", "frozen", "running", "errored"),
    ("cut-off", "again", "running", "complete"),
    ("cut-off", "once", "running", "complete"),
    ("undoing", "undoing", "rollingBack", "errored"),
    ("narrow", "holds", "running", "complete"),
    ("narrow", "queued", "queued", "complete"),
    ("timers", "sleep", "waiting", "complete"),
    ("timers", "retry", "waiting", "complete"),
    ("timers", "short", "waiting", "complete"),
]
"""Instances that are there when the session is killed: their status, and what becomes of it by itself."""
TIMER_MS = 3_000


def begin(site: Site) -> None:
    gate = gate_of(site.world, "recovery")
    params: dict[str, object] = {
        "event": {"first": "event", "gate": gate},
        "paused": {"first": "event", "gate": gate},
        "frozen": gate,
        "undoing": gate,
        "again": {"gate": gate, "at_most_once": False},
        "once": {"gate": gate, "at_most_once": True},
        "holds": {"gate": gate},
        "queued": {"gate": gate},
        "sleep": {"how": "sleep", "ms": TIMER_MS},
        "retry": {"how": "retry", "ms": TIMER_MS},
        "short": {"how": "sleep", "ms": 300},
    }
    for workflow, id_, status, _ in SURVIVORS:
        site.start(workflow, params.get(id_), id_)
        if status == "paused":
            site.until("waiting", workflow, id_)
            site.steer(workflow, id_, "pause")
        site.until(status, workflow, id_)
        if status in {"running", "rollingBack"}:
            wait_for(lambda: site.look(workflow, id_)["steps"], "the attempt to be on disk")  # noqa: B023


def test_b1_a_replay_gives_finished_steps_what_they_gave_and_runs_them_no_more(site: Site):
    site.send("replayed", "replayed", "go", 7)
    assert site.end("replayed", "replayed")["output"] == ["one", 7, "two"]
    # A session that begins tries the code on unfinished instances as well.
    effects = site.effects("replayed")
    assert [each for each in effects if each != "run"] == ["one", "two"]
    assert effects.count("run") >= 2


def test_b2_the_error_that_a_step_ended_with_is_raised_again_as_it_was(site: Site):
    site.send("failed", "failed", "go")
    assert site.end("failed", "failed")["output"] == "did without"
    caught = site.effects("failed")
    assert len(caught) >= 2
    assert set(caught) == {"SoldOut 0 of rye rye 0"}
    assert site.world.effects.count("bought") == 1


def test_b3_the_settings_that_a_step_began_with_hold_for_its_life(site: Site):
    over = site.end("frozen", "frozen")
    assert over["error"]["message"] == "attempt 3 of two", (
        "one was cut off, which is no retry; then one retry"
    )
    assert site.effects("tries") == ["one 1", "two 1", "two 1"]


def test_b4_an_attempt_that_was_cut_off_is_made_again_unless_it_must_not_be(site: Site):
    again, once = site.end("cut-off", "again"), site.end("cut-off", "once")
    assert (again["output"], once["output"]) == ("done", "StepInterrupted")
    assert [each["success"] for each in step(again, "work-1")["attempts"]] == [False, True]
    assert len(step(once, "work-1")["attempts"]) == 1


def test_b4_a_rollback_that_was_cut_off_goes_on_where_it_was(site: Site):
    over = site.end("undoing", "undoing")
    assert (over["status"], over["rollback"]) == ("errored", {"outcome": "complete", "error": None})
    assert site.effects("undo") == ["third", "first"]


@pytest.mark.parametrize(("id_", "key"), [("sleep", "nap-1"), ("retry", "try-1")])
def test_b5_timers_go_on_where_they_were(killed: Killed, id_: str, key: str):
    waits = step(killed.before[f"timers {id_}"], key)
    planned = moment(waits.get("retry_at") or waits["end"])
    over = killed.site.end("timers", id_)
    assert over["output"] == "done"
    ended = moment(step(over, key)["end"])
    assert planned <= ended < killed.back_at + timedelta(milliseconds=TIMER_MS), "it did not begin anew"


def test_b5_a_timer_that_was_due_meanwhile_is_over_at_once(killed: Killed):
    assert moment(killed.site.end("timers", "short")["end"]) < killed.back_at + timedelta(seconds=5)


def test_b6_everything_that_was_unfinished_goes_on_by_itself(site: Site):
    for workflow, id_ in (
        ("narrow", "holds"),
        ("narrow", "queued"),
        ("cut-off", "again"),
        ("timers", "sleep"),
    ):
        assert site.status(workflow, id_) == "complete"
    assert site.status("pair", "paused") == "paused"
    site.steer("pair", "paused", "resume")
    for id_ in ("event", "paused"):
        site.send("pair", id_, "go")
        assert site.end("pair", id_)["status"] == "complete"


def test_b7_instances_over_the_limit_wait_in_order(site: Site):
    ids = [f"b7-{number}" for number in range(4)]
    for id_ in ids:
        site.start("narrow", {"gate": gate_of(site.world, id_)}, id_)
    for id_ in ids:
        wait_for(lambda: begun(site, "b7")[-1:] == [id_], f"{id_} to begin")  # noqa: B023
        later = ids[ids.index(id_) + 1 :]
        assert {site.status("narrow", each) for each in later} <= {"queued"}
        open_gate(site.world, id_)
    assert begun(site, "b7") == ids


def test_b8_all_workflows_together_have_so_many_places(site: Site):
    ids = [("many", f"b8-{number}") for number in range(PLACES)] + [("few", "b8-x"), ("few", "b8-y")]
    for workflow, id_ in ids:
        site.start(workflow, {"gate": gate_of(site.world, "b8")}, id_)
    wait_for(lambda: len(begun(site, "b8")) == PLACES, "as many as there are places")
    assert [site.status(workflow, id_) for workflow, id_ in ids] == ["running"] * PLACES + ["queued"] * 2
    open_gate(site.world, "b8")
    for workflow, id_ in ids:
        assert site.end(workflow, id_)["status"] == "complete"


def test_b9_a_workflow_has_as_many_places_as_its_config_says(site: Site):
    for number in range(4):
        site.start("pair", {"gate": gate_of(site.world, f"b9-{number}")}, f"b9-{number}")
    wait_for(lambda: begun(site, "b9") == ["b9-0", "b9-1"], "two to begin")
    assert [site.status("pair", f"b9-{number}") for number in range(4)] == ["running"] * 2 + ["queued"] * 2
    open_gate(site.world, "b9-1")
    wait_for(lambda: begun(site, "b9") == ["b9-0", "b9-1", "b9-2"], "the next to begin")
    assert site.status("pair", "b9-3") == "queued"
    for number in range(4):
        open_gate(site.world, f"b9-{number}")
        site.end("pair", f"b9-{number}")


def test_b11_a_queue_that_is_full_takes_no_more_and_says_so(site: Site):
    params = {"gate": gate_of(site.world, "b11")}
    site.start("narrow", params, "b11")
    site.until("running", "narrow", "b11")
    for number in range(QUEUE):
        site.start("narrow", params, f"b11-{number}")
    with pytest.raises(RunnerError) as full:
        site.start("narrow", params, "b11-over")
    assert (full.value.status, full.value.number) == (429, 10429)
    assert site.status("narrow", "b11-over") is None
    open_gate(site.world, "b11")
    for number in range(QUEUE):
        assert site.end("narrow", f"b11-{number}")["status"] == "complete"


@pytest.mark.parametrize("first", ["sleep", "event", "retry"])
def test_b12_who_sleeps_or_waits_holds_no_place(site: Site, first: str):
    rests = site.start("narrow", {"first": first, "gate": gate_of(site.world, "b12")})
    site.until("waiting", "narrow", rests)
    open_gate(site.world, "b12")
    assert site.run("narrow", {"gate": gate_of(site.world, "b12")})["status"] == "complete"
    assert site.status("narrow", rests) == "waiting"
    site.steer("narrow", rests, "terminate")


def test_b13_who_is_woken_goes_before_who_is_new(site: Site):
    for id_ in ("b13-woken", "b13-holds", "b13-new"):
        first = "event" if id_ == "b13-woken" else None
        site.start("narrow", {"first": first, "gate": gate_of(site.world, id_)}, id_)
        if first:
            site.until("waiting", "narrow", id_)
    wait_for(lambda: begun(site, "b13") == ["b13-holds"], "the place to be taken")
    site.send("narrow", "b13-woken", "go")
    for id_ in ("b13-holds", "b13-woken", "b13-new"):
        open_gate(site.world, id_)
        site.end("narrow", id_)
    assert begun(site, "b13") == ["b13-holds", "b13-woken", "b13-new"]


def test_b14_a_workflow_with_little_to_do_does_not_wait_for_one_with_much(site: Site):
    many, few = ([f"b14-{kind}-{number}" for number in range(count)] for kind, count in WORK.items())
    for id_ in many:
        site.start("many", {"gate": gate_of(site.world, id_)}, id_)
    wait_for(lambda: len(begun(site, "b14")) == PLACES, "the places to be taken")
    for id_ in few:
        site.start("few", {"gate": gate_of(site.world, id_)}, id_)
    for number in range(PLACES // 2):
        open_gate(site.world, many[number])
        wait_for(lambda: len(begun(site, "b14")) == PLACES + 1 + number, "the next to begin")  # noqa: B023
    assert begun(site, "b14") == [*many[:PLACES], *few[: PLACES // 2]], "each has half of the places"
    for workflow, ids in (("many", many), ("few", few)):
        for id_ in ids:
            open_gate(site.world, id_)
        for id_ in ids:
            site.end(workflow, id_)


def test_b15_an_instance_has_as_many_steps_as_its_config_says(site: Site):
    assert site.output("stepping", 3) == 3
    over = site.run("stepping", 4)
    assert (over["status"], over["error"]["name"]) == ("errored", "TooMany")
    assert "The limit of 3 steps has been reached" in over["error"]["message"]
    shown = {one["name"]: one["limits"]["steps"] for one in site.api.workflows.list().items}
    assert (shown["stepping"], shown["sized"]) == (3, 10_000)


def test_b15_the_config_may_say_25000_and_no_more(tmp_path_factory: pytest.TempPathFactory):
    project = open_project(tmp_path_factory.mktemp("steps"), "engine")
    project.edit("wflow.toml", "steps = 3", "steps = 25_000")
    assert project.wflow("deploy", "--dry-run").code == 0
    project.edit("wflow.toml", "steps = 25_000", "steps = 25_001")
    refused = project.wflow("deploy", "--dry-run")
    assert refused.code == 1
    assert "limits.steps: must be a whole number from 1 to 25,000" in refused.out + refused.err


def test_b16_results_params_outputs_and_payloads_have_a_mebibyte_each(site: Site):
    room = MIB - 16
    assert site.output("sized", {"bytes": room}) == room
    number, kind, message = site.output("sized", {"bytes": MIB + 1})
    assert (number, kind) == (0, "TooLarge")
    assert "the limit is 1,048,576" in message
    over = site.run("sized", {"bytes": MIB // 2 + 1, "give": 2})
    assert (over["status"], over["error"]["name"]) == ("errored", "TooLarge")
    assert "the limit is 1,048,576" in over["error"]["message"]
    large = "x" * (MIB + 1)
    id_ = site.start("narrow", {"first": "event", "gate": gate_of(site.world, "b16")})
    for send in (lambda: site.start("sized", large), lambda: site.send("narrow", id_, "go", large)):
        with pytest.raises(RunnerError) as refused:
            send()
        assert (refused.value.status, refused.value.number) == (413, 10413)
    site.steer("narrow", id_, "terminate")


def test_b16_all_results_of_an_instance_have_a_limit_together(site: Site):
    number, kind, message = site.output("sized", {"bytes": MIB - 16, "count": 5})
    assert (number, kind) == (3, "TooLarge"), "there are 3 MiB in this session"
    assert message == "The instance has exceeded the 1GiB storage limit"


def test_b17_what_is_over_is_kept_for_seven_days_unless_it_or_its_workflow_says_otherwise(site: Site):
    for workflow, params, days in (("kept", "give", 7), ("kept", "fail", 7), ("brief", "fail", 2)):
        over = site.run(workflow, params)
        assert moment(over["expires_on"]) == moment(over["end"]) + timedelta(days=days)
    gone = [site.start("brief", "give"), site.start("kept", "give", success_retention=1)]
    for workflow, id_ in zip(("brief", "kept"), gone, strict=True):
        wait_for(lambda: site.status(workflow, id_) is None, "the end of what was kept")  # noqa: B023
    id_ = site.start("brief", "give", success_retention="3 weeks")
    over = site.end("brief", id_)
    assert moment(over["expires_on"]) == moment(over["end"]) + timedelta(weeks=3)


def test_b20_a_result_that_cannot_be_kept_fails_at_once(site: Site):
    caught = site.run("unkeepable", "catch")
    assert caught["status"] == "complete"
    for part in ("function-1", "['answers'][1]", "builtin"):
        assert part in caught["output"]
    assert len(step(caught, "function-1")["attempts"]) == 1
    assert site.effects("unkeepable") == []
    over = site.run("unkeepable", "raise")
    assert (over["status"], over["error"]["name"]) == ("errored", "UnserializableError")
    assert over["rollback"] == {"outcome": "complete", "error": None}
    assert site.effects("unkeepable") == ["undone"]


def test_b21_an_error_keeps_its_class_message_cause_and_traceback(site: Site):
    told = site.output("faithful", "tell")
    assert told["error"] == ["SoldOut", "0 of rye", "rye", 0]
    assert told["cause"] == ["KeyError", "'rye'"]
    assert told["notes"][0] == "a note"
    assert 'worker.py", line' in told["notes"][1]
    assert "in _sell" in told["notes"][1]
    over = site.run("faithful", "raise")
    assert (over["error"]["name"], over["error"]["message"]) == ("SoldOut", "0 of rye")
    assert "in _sell" in over["error"]["trace"]
    assert step(over, "sell-1")["error"] == {"name": "SoldOut", "message": "0 of rye"}


def begun(site: Site, test: str) -> list[str]:
    """Name the instances of a test that have taken a place, in order."""
    return [id_ for id_ in site.effects("begins") if id_.startswith(test)]


def now() -> datetime:
    return datetime.now(UTC)
