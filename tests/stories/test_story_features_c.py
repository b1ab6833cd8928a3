"""The binding, asked by a Worker: a test for each feature from C1 to C13 of the table, named after its id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import Bound, lasts_ms, moment, open_project, open_site
from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.featured import Shown

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    with open_site(open_project(tmp_path_factory.mktemp("binding"), "binding")) as site:
        yield Bound(site.world, site.session, site.api)


def test_c1_create_takes_an_id_params_retention_and_a_place(site: Bound):
    asked = {
        "id": "c1",
        "params": {"items": [1]},
        "retention": {"successRetention": "3 days", "errorRetention": 60_000},
        "locationHint": "weur",
    }
    assert site.call("ORDER/create", asked) == "c1"
    site.until("waiting", "order", "c1")
    over = site.paid("c1")
    assert over["output"]["params"] == {"items": [1]}
    assert moment(over["expires_on"]) == moment(over["end"]) + timedelta(days=3)
    assert len(site.call("ORDER/create", {})) >= 32, "a random one"
    wrong: list[dict[str, object]] = [
        {"id": "-no"},
        {"id": "x" * 101},
        {"param": 1},
        {"locationHint": "moon"},
        {"retention": {"successRetention": "soon"}},
        {"retention": {"successRetention": "366 days"}},
        {"tags": ["x" * 65]},
    ]
    assert {site.refusal("ORDER/create", each)["name"] for each in wrong} == {"InvalidInput"}
    assert site.refusal("ORDER/create", {"params": "x" * (MIB + 1)})["name"] == "TooLarge"


def test_c1_an_instance_that_was_created_outlives_a_power_cut(tmp_path_factory: pytest.TempPathFactory):
    world = open_project(tmp_path_factory.mktemp("power"), "binding")
    with world.dev() as session:
        answer = session.ask("POST", "/ORDER/create", json={"id": "c1", "params": 7})
        session.kill()
    assert answer.json() == "c1"
    with open_site(world) as site:
        assert site.until("waiting", "order", "c1")["params"] == 7


def test_c2_an_id_that_is_taken_is_refused_with_its_code_or_found_again(site: Bound):
    site.order("c2", "first")
    refused = site.refusal("ORDER/create", {"id": "c2", "params": "second"})
    assert (refused["name"], refused["code"]) == ("InstanceExists", 10405)
    assert "instance.already_exists" in refused["message"]
    assert site.call("ORDER/create_or_find", {"id": "c2", "params": "second"}) == "c2"
    assert site.paid("c2")["output"]["params"] == "first"
    assert site.refusal("ORDER/create", {"id": "c2"})["code"] == 10405, "as long as it is kept"


def test_c3_a_batch_creates_what_it_can_and_tells_what_became_of_each(site: Bound):
    site.order("c3-there")
    wanted = [{"id": f"c3-{name}"} for name in ("a", "there", "b", "a")] + [{"params": 1}]
    made = site.call("ORDER/create_batch", {"instances": wanted})
    assert made["created"][:2] == ["c3-a", "c3-b"]
    assert len(made["created"]) == 3
    assert [(each["index"], each["id"], each["code"]) for each in made["errors"]] == [
        (1, "c3-there", 10405),
        (3, "c3-a", 10415),
    ]
    assert all(each["message"] for each in made["errors"])
    assert site.call("ORDER/create_batch", [{"id": "c3-there"}, {"id": "c3-c"}]) == ["c3-c"]


def test_c3_a_batch_with_a_malformed_option_creates_nothing(site: Bound):
    for wrong in ({"id": "-no"}, {"pay": 1}, 7):
        refused = site.refusal("ORDER/create_batch", {"instances": [{"id": "c3-never"}, wrong]})
        assert refused["name"] == "InvalidInput"
        assert refused["message"].startswith("instances[1]: ")
    for count in (0, 101):
        wanted: list[object] = [{}] * count
        assert site.refusal("ORDER/create_batch", {"instances": wanted})["name"] == "InvalidInput"
    assert site.status("order", "c3-never") is None


def test_c4_a_batch_creates_so_many_with_one_payload(site: Bound):
    made = site.call("ORDER/create_batch", {"count": 3, "params": {"same": True}})
    assert (len(set(made["created"])), made["errors"]) == (3, [])
    for id_ in made["created"]:
        assert site.look("order", id_)["params"] == {"same": True}
    for count in (0, 101, "3"):
        assert site.refusal("ORDER/create_batch", {"count": count})["name"] == "InvalidInput"


def test_c5_get_finds_an_instance_or_says_that_there_is_none(site: Bound):
    site.order("c5")
    assert site.call("ORDER/get", "c5") == "c5"
    for id_ in ("c5-not", "-no", "x" * 101):
        refused = site.refusal("ORDER/get", id_)
        assert (refused["name"], refused["code"]) == ("InstanceNotFound", 10400)
        assert "instance.not_found" in refused["message"]


def test_c6_the_status_tells_how_it_is_and_how_it_ended(site: Bound):
    path = site.order("c6")
    nothing = {"error": None, "output": None, "rollback": None}
    assert only(site.call(f"{path}/status", {}), "status", *nothing) == {"status": "waiting", **nothing}
    site.paid("c6")
    done = site.call(f"{path}/status", {})
    assert (done["status"], done["output"]["paid"], done["error"]) == ("complete", "cash", None)
    assert "steps" not in done
    failed = site.order("c6-failed")
    site.paid("c6-failed", "nothing")
    assert only(site.call(f"{failed}/status", {}), "status", *nothing) == {
        "status": "errored",
        "error": {"name": "NonRetryableError", "message": "not paid"},
        "output": None,
        "rollback": {"outcome": "complete", "error": None},
    }


def test_c7_the_status_has_the_steps_on_request_and_how_far_it_is(site: Bound):
    steps = site.call(f"{site.order('c7')}/status", {"steps": True})["steps"]
    assert [(each["name"], each["type"], each["finished"]) for each in steps] == [
        ("price-1", "step", True),
        ("payment-1", "waitForEvent", False),
    ]
    assert (steps[0]["output"], steps[0]["success"]) == ("price", True)
    site.call("TAGGED/create", {"id": "c7", "params": []})
    site.until("waiting", "tagged", "c7")
    told = site.call("TAGGED/c7/status", {})
    assert told["progress"] == {"done": 1, "total": 2, "message": "half of it"}
    assert told["state"] == {"customer": "smith"}


def test_c8_a_pause_lets_a_running_step_end_and_begins_no_other(site: Bound):
    gate = site.world.folder / "c8"
    site.call("GATED/create", {"id": "c8", "params": {"gate": str(gate)}})
    wait_for(lambda: site.effects("c8"), "the step")
    site.call("GATED/c8/pause")
    assert site.call("GATED/c8/status", {})["status"] == "waitingForPause"
    gate.touch()
    paused = site.until("paused", "gated", "c8")
    assert [(each["name"], each["success"]) for each in paused["steps"]] == [("work-1", True)]
    site.call("GATED/c8/resume")
    assert site.end("gated", "c8")["output"] == "after"
    for verb in ("pause", "resume"):
        assert site.call(f"GATED/c8/{verb}") is None, "over; nothing changes"
    assert site.status("gated", "c8") == "complete"


def test_c8_who_sleeps_or_queues_is_paused_at_once(site: Bound):
    gate = site.world.folder / "c8-queue"
    for name in ("one", "two", "three"):
        site.call("GATED/create", {"id": f"c8-{name}", "params": {"gate": str(gate)}})
    order = site.order("c8-waits")
    for path, id_ in (("GATED/c8-three", "c8-three"), (order, "c8-waits")):
        site.call(f"{path}/pause")
        assert site.status(path.partition("/")[0].lower(), id_) == "paused"
    gate.touch()
    for name in ("one", "two"):
        site.end("gated", f"c8-{name}")
    assert site.look("gated", "c8-three")["steps"] == []
    site.call(f"{order}/send_event", {"type": "paid", "payload": "meanwhile"})
    assert site.status("order", "c8-waits") == "paused", "an event changes nothing of that"
    for path in ("GATED/c8-three", order):
        site.call(f"{path}/resume")
    assert site.end("gated", "c8-three")["output"] == "after"
    assert site.end("order", "c8-waits")["output"]["paid"] == "meanwhile"


def test_c8_a_sleep_lasts_so_much_longer_as_its_instance_was_paused_unless_it_has_a_date(site: Bound):
    for kind in ("sleep", "until"):
        site.call("GATED/create", {"id": f"c8-{kind}", "params": {kind: 1_500}})
        planned = site.until("waiting", "gated", f"c8-{kind}")["steps"][0]["end"]
        site.call(f"GATED/c8-{kind}/pause")
    wait_for(lambda: moment(planned) < datetime.now(UTC), "the ends that were planned")
    for kind in ("sleep", "until"):
        site.call(f"GATED/c8-{kind}/resume")
    for kind in ("sleep", "until"):
        over = site.end("gated", f"c8-{kind}")
        at = {each["type"]: each["timestamp"] for each in site.call(f"GATED/c8-{kind}/subscribe")[2:]}
        paused_ms = at["workflow_queued"] - at["workflow_paused"]
        assert paused_ms > 100
        assert (lasts_ms(over["steps"][0]) >= 1_500 + paused_ms) is (kind == "sleep")


def test_c9_a_restart_begins_anew_with_the_same_id_and_params(site: Bound):
    path = site.order("c9", {"loaves": 3})
    site.call(f"{path}/pause")
    site.call(f"{path}/send_event", {"type": "paid", "payload": "is forgotten"})
    site.call(f"{path}/restart")
    site.until("waiting", "order", "c9")
    first = site.paid("c9", "cash")
    assert first["output"]["paid"] == "cash"
    site.call(f"{path}/restart")
    again = site.until("waiting", "order", "c9")
    assert (again["output"], again["end"], again["expires_on"], len(again["steps"])) == (None, None, None, 2)
    assert again["params"] == first["params"] == {"loaves": 3}
    assert site.paid("c9", "card")["output"]["paid"] == "card"
    assert site.effects("c9") == ["price", "price", "ship", "price", "ship"]


@pytest.mark.parametrize(
    ("start", "made_again"),
    [
        ({"name": "price"}, ["price", "ship"]),
        ({"name": "payment", "type": "waitForEvent"}, ["ship"]),
        ({"name": "think", "count": 1, "type": "sleep"}, ["ship"]),
        ({"name": "ship"}, ["ship"]),
    ],
)
def test_c10_a_restart_from_a_step_keeps_what_was_done_before(
    site: Bound, start: dict[str, object], made_again: list[str]
):
    id_ = f"c10-{start['name']}"
    path = site.order(id_)
    first = site.paid(id_, "cash")
    site.call(f"{path}/restart", {"from": start})
    if start["name"] in {"price", "payment"}:
        site.until("waiting", "order", id_)
        again = site.paid(id_, "card")
    else:
        again = site.end("order", id_)
    assert again["output"] == {**first["output"], "paid": again["output"]["paid"]}
    assert again["output"]["paid"] == ("card" if start["name"] in {"price", "payment"} else "cash")
    assert site.effects(id_) == ["price", "ship", *made_again]


def test_c10_a_restart_from_a_step_forgets_the_events_that_wait(site: Bound):
    path = site.order("c10-events")
    site.call(f"{path}/pause")
    site.call(f"{path}/send_event", {"type": "paid", "payload": "is forgotten"})
    site.call(f"{path}/restart", {"from": {"name": "payment"}})
    site.until("waiting", "order", "c10-events")
    assert site.paid("c10-events", "card")["output"]["paid"] == "card"
    assert site.effects("c10-events") == ["price", "ship"]


def test_c10_a_restart_from_a_step_that_never_was_is_refused(site: Bound):
    path = site.order("c10-refused")
    for start in ({"name": "refund"}, {"name": "price", "count": 2}, {"name": "price", "type": "sleep"}):
        refused = site.refusal(f"{path}/restart", {"from": start})
        assert refused["name"] == "WrongMove"
        assert refused["message"].startswith("(instance.cannot_restart) Step ")
        assert refused["message"].endswith("not found in execution history")
    assert site.refusal(f"{path}/restart", {"from": {}})["name"] == "InvalidInput"
    assert site.status("order", "c10-refused") == "waiting"


def test_c11_terminate_ends_at_once_and_undoes_only_when_it_is_told(site: Bound):
    plain, undone = site.order("c11"), site.order("c11-undone")
    site.call(f"{plain}/terminate")
    shown = site.look("order", "c11")
    assert (shown["status"], shown["rollback"]) == ("terminated", None)
    before = len(site.effects("undone"))
    site.call(f"{undone}/terminate", {"rollback": True})
    over = site.end("order", "c11-undone")
    assert (over["status"], over["rollback"]) == ("terminated", {"outcome": "complete", "error": None})
    assert site.effects("undone")[before:] == ["price-1"]
    for options in (None, {"rollback": True}):
        refused = site.refusal(f"{plain}/terminate", options)
        assert refused["name"] == "InstanceEnded"
        assert refused["message"] == (
            "(instance.cannot_terminate) Cannot terminate instance since its on a finite state"
        )


def test_c12_delete_removes_an_instance_whether_it_is_over_or_not(site: Bound):
    path = site.order("c12")
    before = len(site.effects("undone"))
    site.call(f"{path}/delete")
    assert site.refusal("ORDER/get", "c12")["name"] == "InstanceNotFound"
    assert len(site.effects("undone")) == before, "nothing is undone"
    site.order("c12")
    site.paid("c12")
    site.call(f"{path}/delete")
    assert site.status("order", "c12") is None


def test_c12_a_batch_is_deleted_with_an_answer_for_each(site: Bound):
    site.call("ORDER/create_batch", {"instances": [{"id": "c12-a"}, {"id": "c12-b"}]})
    gone = site.call("ORDER/delete_batch", ["c12-a", "c12-not", "c12-a", "c12-b"])
    assert gone["deleted"] == [{"id": "c12-a"}, {"id": "c12-a"}, {"id": "c12-b"}]
    assert [(each["id"], each["code"]) for each in gone["errors"]] == [("c12-not", 10400)]
    site.order("c12-c")
    for wrong in (["c12-c", "-no"], [], ["c12-c"] * 101):
        assert site.refusal("ORDER/delete_batch", wrong)["name"] == "InvalidInput"
    assert site.status("order", "c12-c") == "waiting"


def test_c13_an_event_of_a_type_is_sent_with_a_payload(site: Bound):
    site.call("ORDER/create", {"id": "c13"})
    path = "ORDER/c13"
    assert site.call(f"{path}/send_event", {"type": "paid", "payload": {"by": "card"}}) is None
    assert site.end("order", "c13")["output"]["paid"] == {"by": "card"}
    refused = site.refusal(f"{path}/send_event", {"type": "paid"})
    assert (refused["name"], refused["code"]) == ("InstanceEnded", 10402)
    other = site.order("c13-other")
    for wrong in ({"type": "no type"}, {"type": "x" * 101}, {"type": "paid", "body": 1}, {"payload": 1}):
        assert site.refusal(f"{other}/send_event", wrong)["name"] == "InvalidInput"
    large = {"type": "paid", "payload": "x" * (MIB + 1)}
    assert site.refusal(f"{other}/send_event", large)["name"] == "TooLarge"


def only(shown: Shown, *keys: str) -> Shown:
    return {key: shown[key] for key in keys}
