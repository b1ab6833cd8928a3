"""`.../instances/{id}/status`, and its like for many instances."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.engine import facts, names, requests
from wflow.engine.facts import Moved
from wflow.errors import StoreError
from wflow.wire.types import Start

ORDERS = "/workflows/orders/instances"


@pytest.fixture
def orders(house):
    """Some instances that are queued."""
    for id_ in ("a", "b", "c"):
        result(house.api("POST", ORDERS, json={"id": id_}))
    return house


def told(house, id_, **body):
    return result(house.api("PATCH", f"{ORDERS}/{id_}/status", json=body))


def statuses(house):
    return {one["id"]: one["status"] for one in house.get(ORDERS)}


def finish(house):
    """Run the loop until the job has nothing to do."""

    async def wait():
        for job in house.site.terminations.values():
            await job._task

    house.run(wait())


def test_an_instance_is_paused_and_resumed(orders):
    after = told(orders, "a", status="pause")
    assert after == {"status": "paused", "timestamp": after["timestamp"], "instanceId": "a"}
    assert after["timestamp"].startswith("2026-11-22T")
    assert told(orders, "a", status="pause")["status"] == "paused", "which changes nothing"
    assert told(orders, "a", status="resume")["status"] == "queued"
    assert told(orders, "latest", status="resume")["instanceId"] == "c"


def test_an_instance_that_is_held_is_resumed_with_what_it_is_held_for(orders):
    told(orders, "a", status="pause")
    assert told(orders, "a", status="resume", accept=True)["status"] == "queued"
    key = orders.run(orders.host.store.find_one("orders", "a")).key
    moved = facts.decode(orders.run(orders.host.store.journal(key))[-1].body)
    assert isinstance(moved, Moved)
    assert moved.detail == {"accepted": {"charge-1": 0}}
    again = orders.api("PATCH", f"{ORDERS}/a/status", json={"status": "resume", "accept": True})
    assert problem(again)[:2] == (409, 10402)


def test_an_instance_is_terminated_once(orders):
    assert told(orders, "a", status="terminate", rollback=False)["status"] == "terminated"
    assert orders.get(f"{ORDERS}/a")["success"] is False
    status, code, message = problem(orders.api("PATCH", f"{ORDERS}/a/status", json={"status": "terminate"}))
    assert (status, code) == (409, 10402)
    assert message == "(instance.cannot_terminate) Cannot terminate instance since its on a finite state"


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"status": "terminate", "rollback": True}, requests.ROLL_BACK),
        ({"status": "cancel"}, requests.CANCEL),
    ],
)
def test_an_instance_that_runs_is_asked_to_roll_back_or_to_cancel(orders, body, asked):
    (claim,) = orders.run(orders.host.store.claim({"orders": 1}, owner="test", now=5))
    assert told(orders, "a", **body)["status"] == "running"
    (event,) = orders.run(orders.host.store.load({claim.key: 0}))[claim.key].events
    assert event.type == asked


def test_an_instance_is_restarted_from_its_beginning_or_from_a_step(orders):
    told(orders, "a", status="terminate")
    assert told(orders, "a", status="restart")["status"] == "queued"
    told(orders, "a", status="restart", **{"from": {"name": "charge"}})
    told(orders, "a", status="restart", **{"from": {"name": "nap", "count": 2, "type": "sleep"}})
    assert orders.host.restarts == [None, Start(name="charge"), Start(name="nap", count=2, type="sleep")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "`status` must be a string"),
        ({"status": "explode"}, "must be one of pause, resume"),
        ({"status": "terminate", "rollback": "yes"}, "`rollback` must be true or false, not a string"),
        ({"status": "pause", "rollback": True}, "`rollback` goes with the status 'terminate'"),
        ({"status": "resume", "accept": 1}, "`accept` must be true or false"),
        ({"status": "restart", "accept": True}, "`accept` goes with the status 'resume'"),
        ({"status": "terminate", "form": {}}, "unknown key 'form'"),
        ({"status": "terminate", "from": {"name": "a"}}, "`from` goes with the status 'restart'"),
        ({"status": "restart", "rollback": True, "from": {"name": "a"}}, "`rollback` goes with"),
        ({"status": "restart", "from": None}, "expected a JSON object, not null"),
        ({"status": "restart", "from": "a"}, "expected a JSON object, not a string"),
        ({"status": "restart", "from": {}}, "`name` must be a string"),
        ({"status": "restart", "from": {"name": ""}}, "a step name is"),
        ({"status": "restart", "from": {"name": "a", "count": 0}}, "`from.count` must be"),
        ({"status": "restart", "from": {"name": "a", "count": True}}, "`from.count` must be"),
        ({"status": "restart", "from": {"name": "a", "count": "1"}}, "`from.count` must be"),
        ({"status": "restart", "from": {"name": "a", "type": "step"}}, "`from.type` must be one of do"),
        ({"status": "restart", "from": {"name": "a", "type": ["do"]}}, "`from.type` must be one of do"),
        ({"status": "restart", "from": {"name": "a", "index": 1}}, "unknown key 'index'"),
        ([], "an array"),
    ],
)
def test_a_wish_that_cannot_be_changes_nothing(orders, body, said):
    status, code, message = problem(orders.api("PATCH", f"{ORDERS}/a/status", json=body))
    assert (status, code) == (400, 10026)
    assert said in message
    assert orders.get(f"{ORDERS}/a")["status"] == "queued"
    assert orders.host.restarts == []


def test_nobody_cannot_be_steered(house):
    answer = house.api("PATCH", f"{ORDERS}/a/status", json={"status": "pause"})
    assert problem(answer)[:2] == (404, 10400)


def test_many_are_deleted_at_once_and_the_missing_are_told(orders):
    body = {"instances": ["a", "nobody", "c", "a"]}
    done = result(orders.api("POST", f"{ORDERS}/batch/delete", json=body))
    assert done["deleted"] == [{"id": "a"}, {"id": "c"}, {"id": "a"}]
    (error,) = done["errors"]
    assert (error["id"], error["code"]) == ("nobody", 10400)
    assert "instance.not_found" in error["message"]
    assert statuses(orders) == {"b": "queued"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": []},
        {"instances": ["a"] * 101},
        {"instances": "a"},
        {"instances": ["a", "b/c"]},
        {"instances": ["a", 7]},
        {"instances": ["a"], "force": True},
        ["a"],
    ],
)
def test_one_malformed_id_deletes_nothing(orders, body):
    assert problem(orders.api("POST", f"{ORDERS}/batch/delete", json=body))[:2] == (400, 10026)
    assert len(statuses(orders)) == 3


def test_some_are_terminated_and_those_that_cannot_be_are_told(orders):
    told(orders, "b", status="terminate")
    done = result(orders.api("POST", f"{ORDERS}/batch/terminate", json=["a", "b", "nobody", "a"]))
    assert (done["status"], done["terminated"]) == ("ok", [{"id": "a"}, {"id": "a"}])
    assert [(error["id"], error["code"]) for error in done["errors"]] == [("b", 10402), ("nobody", 10400)]
    assert statuses(orders) == {"a": "terminated", "b": "terminated", "c": "queued"}
    answer = orders.api("POST", f"{ORDERS}/batch/terminate", json={"instances": ["c"]})
    assert problem(answer)[:2] == (400, 10026)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/batch/delete"),
        ("POST", "/batch/terminate"),
        ("PUT", "/terminate"),
        ("GET", "/terminate"),
        ("DELETE", "/a"),
    ],
)
def test_what_is_for_many_is_for_a_workflow_that_there_is(house, method, path):
    body = {"json": {"instances": ["a"]}} if method == "POST" else {}
    assert problem(house.api(method, f"/workflows/nobody/instances{path}", **body))[:2] == (404, 10200)


def test_all_are_terminated_but_those_that_are_over(house):
    house.run(house.host.play("done", Moved("complete", 5)))
    for start in range(0, 250, 50):
        batch = [{"id": f"i{number}"} for number in range(start, start + 50)]
        result(house.api("POST", f"{ORDERS}/batch", json=batch))
    told(house, "i7", status="pause")
    house.run(house.host.store.claim({"orders": 30}, owner="test", now=5))
    assert result(house.api("PUT", f"{ORDERS}/terminate")) == {"status": "ok"}
    finish(house)
    state = house.get(f"{ORDERS}/terminate")
    assert (state["status"], state["terminated"], state["filter"]) == ("complete", 250, {"status": None})
    assert state["started_on"] < state["ended_on"]
    counts = house.get("/workflows/orders")["instances"]
    assert {status: count for status, count in counts.items() if count} == {"complete": 1, "terminated": 250}


def test_those_in_one_status_are_terminated(orders):
    told(orders, "b", status="pause")
    assert result(orders.api("PUT", f"{ORDERS}/terminate?status=paused")) == {"status": "ok"}
    finish(orders)
    assert orders.get(f"{ORDERS}/terminate")["filter"] == {"status": "paused"}
    assert statuses(orders) == {"a": "queued", "b": "terminated", "c": "queued"}


def test_one_job_a_workflow_runs_at_a_time(orders):
    assert result(orders.api("PUT", f"{ORDERS}/terminate")) == {"status": "ok"}
    orders.site.terminations["orders"].state = "running"
    assert result(orders.api("PUT", f"{ORDERS}/terminate")) == {"status": "already_running"}
    assert result(orders.api("PUT", "/workflows/returns/instances/terminate")) == {"status": "ok"}
    finish(orders)


@pytest.mark.parametrize("status", ["complete", "rollingBack", "x"])
def test_a_status_that_cannot_be_terminated_is_refused(orders, status):
    answer = orders.api("PUT", f"{ORDERS}/terminate?status={status}")
    assert problem(answer)[:2] == (400, 10026)
    assert problem(orders.api("GET", f"{ORDERS}/terminate"))[:2] == (404, 10400), "no job was begun"


def test_a_job_whose_store_fails_says_so(orders, caplog):
    async def broken(*_args):
        raise StoreError("the disk is full")

    orders.host.steer = broken
    result(orders.api("PUT", f"{ORDERS}/terminate"))
    finish(orders)
    assert orders.get(f"{ORDERS}/terminate")["status"] == "errored"
    assert "terminating the instances of orders failed" in caplog.text


def test_an_instance_that_is_called_terminate_is_shown_before_the_job(orders):
    result(orders.api("PUT", f"{ORDERS}/terminate"))
    finish(orders)
    result(orders.api("POST", ORDERS, json={"id": "terminate"}))
    assert orders.get(f"{ORDERS}/terminate")["id"] == "terminate"
    assert orders.get(f"{ORDERS}/terminate", job="true")["terminated"] == 3


def test_a_visit_cannot_be_beyond_the_steps_that_there_may_be(orders):
    body = {"status": "restart", "from": {"name": "a", "count": names.STEPS_MAX + 1}}
    assert problem(orders.api("PATCH", f"{ORDERS}/a/status", json=body))[0] == 400
