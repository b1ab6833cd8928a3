"""`/workflows/{name}/instances`."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from tests.stores.shop import new
from wflow.engine import names, values
from wflow.engine.changes import Ended, Told
from wflow.engine.facts import Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Err, Failure, Ok, RolledBack
from wflow.wire.shown import CUT

ORDERS = "/workflows/orders/instances"
BOOM = Failure(name="ValueError", message="boom", trace="Traceback: boom")


def test_an_instance_is_created_with_params_and_id(house):
    made = result(house.api("POST", ORDERS, json={"instance_id": "a", "params": {"n": [1]}}))
    assert made == {"id": "a", "status": "queued", "version_id": "v1", "workflow_id": "orders"}
    told = house.get(f"{ORDERS}/a")
    assert (told["status"], told["params"], told["trigger"]) == ("queued", {"n": [1]}, {"source": "api"})


@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_an_instance_needs_neither_id_nor_params(house, body):
    made = result(house.api("POST", ORDERS, content=body))
    assert house.get(f"{ORDERS}/{made['id']}")["params"] == {}


def test_the_older_name_of_the_id_is_taken_too(house):
    assert result(house.api("POST", ORDERS, json={"id": "a", "params": None}))["id"] == "a"
    assert house.get(f"{ORDERS}/a")["params"] is None


def test_an_id_that_exists_is_a_conflict_and_starts_nothing(house):
    result(house.api("POST", ORDERS, json={"id": "a", "params": 1}))
    assert problem(house.api("POST", ORDERS, json={"id": "a", "params": 2}))[:2] == (409, 10405)
    assert house.get(f"{ORDERS}/a")["params"] == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "an array"),
        (b'"x"', "a string"),
        (b"null", "null"),
        (b"1", "a number"),
        (b"true", "a boolean"),
        (b'{"params": ', "no JSON"),
        (b'{"parms": 1}', "unknown key 'parms'"),
        (b'{"id": 1}', "an instance id is"),
        (b'{"id": "-a"}', "an instance id is"),
        (b'{"id": "' + b"a" * 101 + b'"}', "an instance id is"),
        (b'{"tags": "blue"}', "`tags` must be a list"),
        (b'{"tags": [""]}', "a tag is 1-64 characters"),
        (b'{"instance_retention": "1 day"}', "`instance_retention` must have"),
        (b'{"instance_retention": {"sucess_retention": 1}}', "has no key 'sucess_retention'"),
        (b'{"instance_retention": {"error_retention": "2 years"}}', "more than 365 days"),
    ],
)
def test_a_wish_that_is_malformed_creates_nothing(house, body, said):
    status, code, message = problem(house.api("POST", ORDERS, content=body))
    assert (status, code) == (400, 10026)
    assert said in message
    assert house.get(ORDERS) == []


def test_params_have_a_limit_and_so_has_the_body(house):
    large = "x" * (names.VALUE_BYTES - 5)
    result(house.api("POST", ORDERS, json={"params": large}))
    assert problem(house.api("POST", ORDERS, json={"params": large + "x"}))[:2] == (413, 10413)
    assert problem(house.api("POST", ORDERS, json={"params": "x" * 2 * names.MIB}))[:2] == (413, 10413)


def test_params_that_are_nested_too_deep_are_refused(house):
    deep = b'{"params": ' + b"[" * 150 + b"]" * 150 + b"}"
    status, _, message = problem(house.api("POST", ORDERS, content=deep))
    assert status == 400
    assert "nested" in message


def test_an_instance_has_tags_by_which_it_is_found(house):
    for id_, tags in (("a", ["blue", "vip"]), ("b", ["vip", "vip"]), ("c", [])):
        result(house.api("POST", ORDERS, json={"id": id_, "tags": tags}))
    assert house.get(f"{ORDERS}/b")["tags"] == ["vip"]
    found = house.api("GET", ORDERS, params={"tag": "vip"})
    assert [(one["id"], one["tags"]) for one in result(found)] == [("b", ["vip"]), ("a", ["blue", "vip"])]
    assert "total_count" not in found.json()["result_info"], "nobody has counted those"
    assert [one["id"] for one in house.get(ORDERS, tag="vip", direction="asc", page=2, per_page=1)] == ["b"]
    assert house.get(ORDERS, tag="vip", status="complete") == []
    assert problem(house.api("GET", ORDERS, params={"tag": "x" * 65}))[:2] == (400, 10026)


def test_an_instance_is_kept_for_as_long_as_it_was_created_for(house):
    kept = {"success_retention": "1 hour", "error_retention": 1_000}
    result(house.api("POST", ORDERS, json={"id": "a", "instance_retention": kept}))
    result(house.api("POST", ORDERS, json={"id": "b", "instance_retention": {}}))
    assert house.get(f"{ORDERS}/a")["expires_on"] is None, "not while it is unfinished"
    house.run(house.host.play("a", Moved("running", 1), Moved("complete", 5_000)))
    assert house.get(f"{ORDERS}/a")["expires_on"] == "1970-01-01T01:00:05.000Z"
    house.run(house.host.play("b", Moved("complete", 5_000)))
    assert house.get(ORDERS)[0]["expires_on"] is None, "the workflow's own is for the runner to fill in"


def test_an_instance_tells_the_number_of_its_version_as_long_as_that_is_kept(house):
    result(house.api("POST", ORDERS, json={"id": "a"}))
    told = house.get(f"{ORDERS}/a")
    assert (told["versionId"], told["version_number"]) == ("v1", 1)
    assert [one["version_number"] for one in house.get(ORDERS)] == [1]
    result(house.api("PATCH", f"{ORDERS}/a/status", json={"status": "restart"}))
    assert house.get(f"{ORDERS}/a")["version_number"] is None, "the host knows of no v2"


@pytest.mark.parametrize("id_", ["batch", "terminate", "status"])
def test_an_instance_may_be_called_like_a_part_of_the_api(house, id_):
    result(house.api("POST", ORDERS, json={"id": id_}))
    assert house.get(f"{ORDERS}/{id_}")["id"] == id_
    assert result(house.api("DELETE", f"{ORDERS}/{id_}"))["instanceId"] == id_
    assert problem(house.api("GET", f"{ORDERS}/{id_}"))[:2] == (404, 10400)


def test_what_the_code_tells_of_an_instance_is_shown(house):
    told = values.encode({"progress": 0.5, "state": {"page": 3}})
    house.run(house.host.play("a", Moved("running", 1), changes=[Told(0, 2, told, ["late"])]))
    shown = house.get(f"{ORDERS}/a", simple="true")
    assert (shown["progress"], shown["state"], shown["tags"]) == (0.5, {"page": 3}, ["late"])
    result(house.api("POST", ORDERS, json={"id": "b"}))
    shown = house.get(f"{ORDERS}/b")
    assert (shown["progress"], shown["state"], shown["tags"]) == (None, None, [])


@pytest.mark.parametrize(
    ("undone", "shown"),
    [
        (RolledBack(), {"outcome": "complete", "error": None}),
        (RolledBack(BOOM), {"outcome": "failed", "error": {"name": "ValueError", "message": "boom"}}),
        (None, None),
    ],
)
def test_how_the_rollback_went_is_shown(house, undone, shown):
    ended = Ended(0, 9, "errored", None, BOOM, undone)
    house.run(house.host.play("a", Moved("running", 1), Moved("errored", 9), changes=[ended]))
    assert house.get(f"{ORDERS}/a")["rollback"] == shown


def test_an_unknown_workflow_creates_nothing(house):
    assert problem(house.api("POST", "/workflows/nobody/instances"))[:2] == (404, 10200)


def test_a_batch_is_created_and_existing_ones_are_left_out(house):
    result(house.api("POST", ORDERS, json={"id": "b"}))
    made = result(house.api("POST", f"{ORDERS}/batch", json=[{"id": "a"}, {"id": "b"}, {"params": 1}]))
    assert [one["id"] for one in made] == ["a", "random-1"]
    assert len(house.get(ORDERS)) == 3


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ([], 10026, "1 to 100"),
        ([{}] * 101, 10026, "1 to 100"),
        ({"id": "a"}, 10026, "an array"),
        ([{"id": "a"}, 7], 10026, "[1] expected a JSON object"),
        ([{"id": "a"}, {"id": "b/c"}], 10026, "[1] an instance id"),
        ([{"id": "a"}, {"instance_id": "b"}, {"instance_id": "a"}], 10415, "'a' twice"),
        ([{"id": "a"}, {"tags": [1]}], 10026, "[1] a tag is"),
    ],
)
def test_one_malformed_item_refuses_the_whole_batch(house, body, code, said):
    status, number, message = problem(house.api("POST", f"{ORDERS}/batch", json=body))
    assert (status, number) == (400, code)
    assert said in message
    assert house.get(ORDERS) == []


def charged(at=1_795_348_900_000):
    return [
        Moved("running", at),
        Settled("fetch-1", "do", at + 10, Ok(values.encode({"url": "x"})), b"", at, 1, at),
        Logged("info", "hello", at + 11),
        Opened("charge-1", "do", at + 20, detail={"retries": {"limit": 1}, "timeout": 5}),
        Failed("charge-1", 1, at + 20, at + 30, BOOM, at + 1_030),
        Tried("charge-1", 2, at + 1_030),
    ]


def test_an_instance_is_shown_with_its_steps_and_their_attempts(house):
    house.run(house.host.play("a", *charged()))
    told = house.get(f"{ORDERS}/a")
    assert (told["id"], told["status"], told["step_count"]) == ("a", "running", 2)
    assert (told["success"], told["error"], told["output"], told["end"]) == (None, None, None, None)
    assert (told["versionId"], told["trigger"], told["rollback"]) == ("v1", {"source": "binding"}, None)
    fetch, charge = told["steps"]
    assert fetch == {
        "name": "fetch-1",
        "type": "step",
        "start": "2026-11-22T12:01:40.000Z",
        "end": "2026-11-22T12:01:40.010Z",
        "success": True,
        "finished": True,
        "config": {"retries": {"limit": 5, "delay": 10_000, "backoff": "exponential"}, "timeout": 600_000},
        "output": {"url": "x"},
        "error": None,
        "attempts": [
            {
                "start": "2026-11-22T12:01:40.000Z",
                "end": "2026-11-22T12:01:40.010Z",
                "success": True,
                "error": None,
            }
        ],
        "retry_at": None,
    }
    assert (charge["success"], charge["finished"], charge["end"]) == (None, False, None)
    assert charge["config"] == {"retries": {"limit": 1}, "timeout": 5}
    assert charge["attempts"] == [
        {
            "start": "2026-11-22T12:01:40.020Z",
            "end": "2026-11-22T12:01:40.030Z",
            "success": False,
            "error": {"name": "ValueError", "message": "boom"},
        },
        {"start": "2026-11-22T12:01:41.030Z", "end": None, "success": None, "error": None},
    ]


def test_steps_come_newest_first_or_not_at_all(house):
    house.run(house.host.play("a", *charged()))
    newest_first = house.get(f"{ORDERS}/a", order="desc")["steps"]
    assert [step["name"] for step in newest_first] == ["charge-1", "fetch-1"]
    simple = house.get(f"{ORDERS}/a", simple="true")
    assert simple["step_count"] == 2
    assert "steps" not in simple


def test_an_instance_that_is_complete_has_an_output(house):
    house.run(house.host.play("a", Moved("running", 1), Moved("complete", 5_000, values.encode({"n": 1}))))
    told = house.get(f"{ORDERS}/a")
    assert (told["success"], told["output"], told["error"]) == (True, {"n": 1}, None)
    assert told["end"] == "1970-01-01T00:00:05.000Z"


def test_an_instance_that_failed_has_an_error_with_its_traceback(house):
    house.run(house.host.play("a", Moved("errored", 5, failure=BOOM)))
    told = house.get(f"{ORDERS}/a")
    assert (told["success"], told["output"]) == (False, None)
    assert told["error"] == {"name": "ValueError", "message": "boom", "trace": "Traceback: boom"}


def test_sleeps_and_waits_show_their_deadlines_and_the_event(house):
    house.run(
        house.host.play(
            "a",
            Opened("nap-1", "sleep", 1_000, detail={"duration": 500}),
            Opened("paid-1", "waitForEvent", 1_000, detail={"type": "paid", "timeout": 2_000}),
            Received(1, "paid", values.encode({"by": "card"}), 1_400, 1_400),
            Settled("paid-1", "waitForEvent", 1_500, Ok(), b"", 1_000, event=1),
        )
    )
    nap, paid = house.get(f"{ORDERS}/a")["steps"]
    assert (nap["type"], nap["end"], nap["finished"]) == ("sleep", "1970-01-01T00:00:01.500Z", False)
    assert (nap["until"], nap["error"]) == (nap["end"], None)
    assert (paid["type"], paid["until"]) == ("waitForEvent", "1970-01-01T00:00:03.000Z")
    assert (paid["end"], paid["event_type"]) == ("1970-01-01T00:00:01.500Z", "paid")
    assert paid["output"] == {
        "payload": {"by": "card"},
        "timestamp": "1970-01-01T00:00:01.400Z",
        "type": "paid",
    }
    assert "attempts" not in nap


def test_a_long_output_is_cut_in_the_list_of_steps(house):
    large = values.encode(["x" * 100_000])
    house.run(
        house.host.play(
            "a",
            Settled("one-1", "do", 5, Ok(large), b"", 1, 1, 1),
            Received(1, "paid", large, 1, 1),
            Settled("paid-1", "waitForEvent", 6, Ok(), b"", 1, event=1),
        )
    )
    one, paid = (step["output"] for step in house.get(f"{ORDERS}/a")["steps"])
    assert one.startswith('["xxx')
    assert one.endswith(CUT)
    assert len(one) < 17_000
    assert paid["payload"].endswith(CUT)


def test_ten_thousand_long_outputs_make_no_long_answer(house):
    output = Ok(values.encode("x" * 15_000))
    steps = [Settled(f"s-{n}", "do", 5, output, b"", 1, 1, 1) for n in range(2_000)]
    house.run(house.host.play("a", *steps))
    answer = house.api("GET", f"{ORDERS}/a")
    assert len(result(answer)["steps"]) == 2_000
    assert len(answer.content) < 10 * names.MIB


def test_latest_is_the_newest_instance(house):
    for id_ in ("a", "b", "c"):
        result(house.api("POST", ORDERS, json={"id": id_}))
    assert house.get(f"{ORDERS}/latest")["id"] == "c"
    result(house.api("POST", ORDERS, json={"id": "latest"}))
    result(house.api("POST", ORDERS, json={"id": "d"}))
    assert house.get(f"{ORDERS}/latest")["id"] == "latest", "one that is really called so comes first"


@pytest.mark.parametrize("id_", ["nobody", "latest", "%2e%2e", "%00", "x" * 500, "ü"])
def test_an_instance_that_is_not_there_is_not_found(house, id_):
    assert problem(house.api("GET", f"{ORDERS}/{id_}"))[:2] == (404, 10400)


def test_an_instance_is_deleted(house):
    result(house.api("POST", ORDERS, json={"id": "a"}))
    gone = result(house.api("DELETE", f"{ORDERS}/a"))
    assert gone["instanceId"] == "a"
    assert gone["timestamp"].startswith("2026-11-22T")
    assert problem(house.api("GET", f"{ORDERS}/a"))[:2] == (404, 10400)
    assert problem(house.api("DELETE", f"{ORDERS}/a"))[:2] == (404, 10400)


@pytest.mark.parametrize("payload", [{"by": "card"}, None, 7, [], "text", False])
def test_any_json_is_an_event(house, payload):
    result(house.api("POST", ORDERS, json={"id": "a"}))
    sent = result(house.api("POST", f"{ORDERS}/latest/events/paid", json=payload))
    assert sent["instanceId"] == "a"
    (claim,) = house.run(house.host.store.claim({"orders": 1}, owner="test", now=5))
    (event,) = house.run(house.host.store.load({claim.key: 0}))[claim.key].events
    assert (event.type, values.decode(event.payload)) == ("paid", payload)


def test_an_event_without_a_body_has_no_payload(house):
    result(house.api("POST", ORDERS, json={"id": "a"}))
    result(house.api("POST", f"{ORDERS}/a/events/paid"))
    (claim,) = house.run(house.host.store.claim({"orders": 1}, owner="test", now=5))
    (event,) = house.run(house.host.store.load({claim.key: 0}))[claim.key].events
    assert values.decode(event.payload) is None


def test_an_event_for_an_instance_that_is_over_is_a_conflict(house):
    house.run(house.host.play("a", Moved("complete", 5)))
    assert problem(house.api("POST", f"{ORDERS}/a/events/paid"))[:2] == (409, 10402)


@pytest.mark.parametrize(("type_", "content"), [("-paid", b"1"), ("p" * 101, b"1"), ("paid", b"{")])
def test_an_event_that_is_malformed_is_refused(house, type_, content):
    result(house.api("POST", ORDERS, json={"id": "a"}))
    assert problem(house.api("POST", f"{ORDERS}/a/events/{type_}", content=content))[:2] == (400, 10026)


def test_an_event_for_nobody_is_not_found(house):
    assert problem(house.api("POST", f"{ORDERS}/a/events/paid"))[:2] == (404, 10400)


def test_a_step_that_failed_shows_its_error_without_the_traceback(house):
    house.run(house.host.play("a", Settled("s-1", "do", 5, Err(BOOM), b"", 1, 1, 1)))
    (step,) = house.get(f"{ORDERS}/a")["steps"]
    assert step["error"] == {"name": "ValueError", "message": "boom"}


def test_a_priority_and_a_key_are_shown_where_there_are_some(house):
    result(house.api("POST", ORDERS, json={"id": "usual", "priority": 3}))
    result(house.api("POST", ORDERS, json={"id": "urgent", "priority": 1}))
    assert house.get(f"{ORDERS}/urgent")["priority"] == 1
    assert "priority" not in house.get(f"{ORDERS}/usual")
    listed = {one["id"]: one for one in result(house.api("GET", ORDERS))}
    assert (listed["urgent"].get("priority"), listed["usual"].get("priority")) == (1, None)
    house.run(house.host.store.create([new("keyed", workflow="orders", concurrency_key="ann")]))
    assert house.get(f"{ORDERS}/keyed")["concurrency_key"] == "ann"
    assert "concurrency_key" not in house.get(f"{ORDERS}/usual")
