"""Following an instance to its end, over broken connections."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.server.small_host import NOON
from wflow.client.api import Remote, connect
from wflow.client.logs import BACKOFF_S
from wflow.engine.facts import Moved
from wflow.errors import RunnerError

NDJSON = {"content-type": "application/x-ndjson"}
GONE = b'{"success": false, "errors": [{"code": 10400, "message": "there is no such instance"}]}'
PATH = "/client/v4/accounts/local/workflows/orders/instances"
RUNNING, COMPLETE = Moved("running", NOON), Moved("complete", NOON)


@pytest.fixture
def asking(live):
    with connect(Remote(url=live.url)) as asking:
        yield asking


def test_an_instance_is_followed_to_its_end(live, asking):
    live.run(live.host.play("a", RUNNING, COMPLETE))
    followed = asking.happenings.follow("orders", "a")
    assert [event["type"] for event in followed] == [
        "workflow_queued",
        "workflow_started",
        "workflow_running",
        "workflow_completed",
    ]
    assert (followed.id, followed.ended) == ("a", "complete")


def test_a_filter_and_a_cursor_reach_the_runner(live, asking):
    live.run(live.host.play("a", RUNNING, Moved("waiting", NOON), RUNNING, COMPLETE))
    chosen = ["workflow_waiting", "workflow_running"]
    first, *more = asking.happenings.follow("orders", "a", filter=chosen)
    assert [first["type"], *(event["type"] for event in more)] == [
        "workflow_running",
        "workflow_waiting",
        "workflow_running",
    ]
    again = asking.happenings.follow("orders", "a", filter=chosen, cursor=first["eventId"])
    assert [*again] == more
    with pytest.raises(RunnerError, match="there are no events of type 'steps'"):
        [*asking.happenings.follow("orders", "a", filter=["steps"])]


def test_the_latest_stays_the_one_that_it_was(live, asking):
    with pytest.raises(RunnerError) as refused:
        asking.happenings.follow("orders", "latest")
    assert refused.value.status == 404
    live.run(live.host.play("a", RUNNING, COMPLETE))
    followed = asking.happenings.follow("orders", "latest")
    live.run(live.host.play("b", RUNNING))
    assert {event["instanceId"] for event in followed} == {"a"}
    assert followed.id == "a"


def stream(*lines, rest=b""):
    return 200, NDJSON, b"".join(json.dumps(line).encode() + b"\n" for line in lines) + rest


def event(number):
    return {"eventId": number, "instanceId": "a", "timestamp": NOON, "type": "workflow_running"}


def test_a_connection_that_breaks_goes_on_behind_the_last_event_or_heartbeat(script):
    server = script(
        stream({"cursor": 0}, event(1), event(16), rest=b'{"eventId": 17, "ty'),
        stream({"cursor": 16}, event(17), {"cursor": 47}),
        (503, {}, b""),
        stream({"cursor": 47}, event(48), {"cursor": 63, "done": True, "status": "errored"}),
    )
    waits: list[float] = []
    told: list[float] = []
    with connect(Remote(url=server.url)) as asking:
        followed = asking.happenings.follow(
            "orders",
            "a",
            filter=["workflow"],
            sleep=waits.append,
            on_wait=lambda _, wait_s: told.append(wait_s),
        )
        found = [each["eventId"] for each in followed]
    assert (found, followed.ended) == ([1, 16, 17, 48], "errored")
    asked = [urlsplit(path) for _, path, _ in server.asked]
    assert {one.path for one in asked} == {f"{PATH}/a/subscribe"}
    queries = [parse_qs(one.query) for one in asked]
    assert [query.get("cursor") for query in queries] == [None, ["16"], ["47"], ["47"]]
    assert all(query["filter"] == ["workflow"] for query in queries)
    assert waits == told == [BACKOFF_S[0], BACKOFF_S[0], BACKOFF_S[1]]


def test_an_instance_that_is_gone_when_it_connects_again_is_not_looked_for_any_more(script):
    server = script(stream({"cursor": 0}, event(1)), (404, {}, GONE))
    with connect(Remote(url=server.url)) as asking:
        followed = asking.happenings.follow("orders", "a", sleep=lambda _: None)
        with pytest.raises(RunnerError, match="there is no such instance"):
            list(followed)
    assert followed.ended is None


def test_who_is_told_how_often_to_try_gives_up(script):
    server = script(stream({"cursor": 0}), *[(503, {}, b"")] * 2)
    with connect(Remote(url=server.url)) as asking, pytest.raises(RunnerError) as gave_up:
        [*asking.happenings.follow("orders", "a", tries=2, sleep=lambda _: None)]
    assert gave_up.value.status == 503
