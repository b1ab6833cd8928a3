"""`/workers/scripts/{script}/schedules`, and `/cdn-cgi/local/scheduled`."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.bindings.binding import Raised
from wflow.engine.outcome import Failure
from wflow.errors import LinkError, WorkflowNotFound
from wflow.wire.types import Schedule

PLACE = "/workers/scripts/shop/schedules"
AT = 1_795_384_800_000
HOURLY = Schedule("shop", "0 * * * *")
NIGHTLY = Schedule("shop", "0 3 * * *", "orders")
BROKEN = Raised(Failure("ValueError", "no such table", "builtins:ValueError"))


@pytest.fixture
def shop(house):
    house.run(house.host.deploy("shop", b"", digest="", message="", author="local"))
    house.host.schedules.known = [HOURLY, NIGHTLY, Schedule("other", "1 * * * *")]
    return house


def test_the_schedules_of_a_worker_and_its_workflows_are_listed_with_their_next_time(shop):
    listed = result(shop.api("GET", PLACE))["schedules"]
    assert [(each["cron"], each.get("workflow"), each["next_on"]) for each in listed] == [
        ("0 * * * *", None, "2026-11-22T13:00:00.000Z"),
        ("0 3 * * *", "orders", "2026-11-23T03:00:00.000Z"),
    ]


def test_the_only_one_there_is_fires_by_hand(shop):
    told = result(shop.api("POST", f"{PLACE}/run", json={"time": AT}))
    assert told == {"cron": "0 * * * *", "scheduledTime": AT, "outcome": "ok"}
    assert shop.host.schedules.fired == [(HOURLY, AT)]


def test_without_a_time_it_is_now(shop):
    told = result(shop.api("POST", f"{PLACE}/run"))
    assert 1_795_348_800_000 < told["scheduledTime"] < 1_795_348_900_000


def test_a_schedule_of_a_workflow_gives_the_instance(shop):
    told = result(shop.api("POST", f"{PLACE}/run", json={"workflow": "orders", "time": AT}))
    assert (told["outcome"], told["id"]) == ("ok", f"0 3 * * *-{AT}")


def test_any_cron_may_be_told(shop):
    told = result(shop.api("POST", f"{PLACE}/run", json={"cron": "5 5 5 5 *", "time": AT}))
    assert told["cron"] == "5 5 5 5 *"


def test_what_a_handler_raises_is_told(shop):
    shop.host.schedules.raises = BROKEN
    told = result(shop.api("POST", f"{PLACE}/run", json={"time": AT}))
    assert told["outcome"] == "exception"
    assert told["error"] == {"name": "ValueError", "message": "no such table"}
    shop.host.schedules.raises = TimeoutError()
    assert result(shop.api("POST", f"{PLACE}/run"))["outcome"] == "exceededWallTime"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"cron": "61 * * * *"}, "bad minute"),
        ({"cron": 5}, "`cron` must be a string"),
        ({"time": "now"}, "milliseconds since 1970"),
        ({"time": True}, "milliseconds since 1970"),
        ({"time": -1}, "milliseconds since 1970"),
        ({"time": 10**15}, "milliseconds since 1970"),
        ({"when": 7}, "unknown key 'when'"),
        ([], "expected a JSON object"),
        ({"workflow": "returns"}, "workflow 'returns' has 0 schedules"),
    ],
)
def test_what_makes_no_sense_fires_nothing(shop, body, said):
    status, _, message = problem(shop.api("POST", f"{PLACE}/run", json=body))
    assert (status, said in message) == (400, True)
    assert shop.host.schedules.fired == []


def test_it_must_be_said_which_when_there_are_several(shop):
    shop.host.schedules.known.append(Schedule("shop", "30 * * * *"))
    status, _, message = problem(shop.api("POST", f"{PLACE}/run"))
    assert status == 400
    assert 'the Worker has 2 schedules: "0 * * * *", "30 * * * *"' in message


def test_a_worker_or_a_workflow_that_is_not_there_is_told(shop):
    assert problem(shop.api("GET", "/workers/scripts/nobody/schedules"))[:2] == (404, 10007)
    shop.host.schedules.raises = WorkflowNotFound("there is no workflow 'gone'")
    body = {"cron": "0 * * * *", "workflow": "gone"}
    status, _, message = problem(shop.api("POST", f"{PLACE}/run", json=body))
    assert (status, "gone" in message) == (404, True)


# -- a dev session's way -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/cdn-cgi/local/scheduled",
        "/cdn-cgi/handler/scheduled",
        "/cdn-cgi/mf/scheduled",
        "/__scheduled",
    ],
)
def test_a_dev_session_fires_as_wranglers_does(shop, path):
    fired = shop.ask("GET", f"{path}?cron=*/5+*+*+*+*&time={AT}")
    assert (fired.status_code, fired.text) == (200, "ok")
    assert shop.host.schedules.fired == [(Schedule("shop", "*/5 * * * *"), AT)]


def test_without_a_word_it_is_every_minute_and_now(shop):
    assert shop.ask("GET", "/cdn-cgi/local/scheduled").text == "ok"
    assert shop.host.schedules.fired[0][0].cron == "* * * * *"


def test_what_it_raises_is_an_exception_there(shop):
    shop.host.schedules.raises = BROKEN
    failed = shop.ask("GET", "/cdn-cgi/local/scheduled")
    assert (failed.status_code, failed.text) == (500, "exception")
    told = shop.ask("GET", "/cdn-cgi/local/scheduled?format=json")
    assert told.json() == {"outcome": "exception", "noRetry": False}


def test_a_time_that_is_none_is_refused_there_and_so_is_a_page_from_elsewhere(shop):
    wrong = shop.ask("GET", "/cdn-cgi/local/scheduled?time=noon")
    assert (wrong.status_code, "milliseconds" in wrong.text) == (400, True)
    foreign = shop.ask("GET", "/cdn-cgi/local/scheduled", headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert shop.host.schedules.fired == []


def test_code_that_is_down_is_told_there(shop):
    shop.host.schedules.raises = LinkError("the runtime is gone")
    assert shop.ask("GET", "/cdn-cgi/local/scheduled").status_code == 503
