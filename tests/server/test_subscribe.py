"""`/subscribe` on a real socket: lines of JSON, and messages of a WebSocket."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.server.live import Live
from tests.server.small_host import API, NOON, problem, result
from wflow.bindings import happenings
from wflow.engine import values
from wflow.engine.changes import Rested
from wflow.engine.facts import Moved, Settled
from wflow.engine.outcome import Failure, Ok
from wflow.server import tokens, upgrade
from wflow.server.auth import Caller, TokenAuth
from wflow.server.routes import subscribe

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

ORDERS = "/workflows/orders/instances"
PLACE = f"{API}{ORDERS}/a/subscribe"
RUNNING, COMPLETE = Moved("running", NOON), Moved("complete", NOON)
BOOM = Failure(name="ValueError", message="boom")
STEP = ["step_started", "attempt_started", "attempt_completed", "step_completed"]
RESTED = [Rested(0, NOON, 0, [])]


def step(name, value=7):
    return Settled(f"{name}-1", "do", NOON, Ok(values.encode(value)), b"", NOON, 1, NOON)


class Shop:
    """A live server, and the hand that writes the journal of the instance `a`."""

    def __init__(self, live):
        self.live = live

    def begins(self):
        self.live.run(self.live.host.play("a", RUNNING, changes=RESTED))

    def goes_on(self, *journal):
        self.live.run(self.live.host.play("a", *journal, changes=RESTED))

    def ends(self, *journal):
        self.live.run(self.live.host.play("a", *journal))

    def is_deleted(self):
        self.live.run(self.live.host.delete("orders", ["a"]))

    def is_left(self):
        """Wait until no subscription is served any more."""

        async def left():
            while self.live.site.subscribers:
                await self.live.host.changed(await self.live.host.store.position())

        self.live.run(left())


@pytest.fixture
def shop(tmp_path):
    live = Live(tmp_path / "data")
    yield Shop(live)
    live.close()


# -- lines -----------------------------------------------------------------------------------------------


class Lines:
    """The lines of an answer that may go on."""

    def __init__(self, response):
        self.response = response
        self._lines = response.iter_lines()

    def next(self):
        return json.loads(next(self._lines))

    def event(self):
        """Give the next one that is no heartbeat."""
        while "type" not in (line := self.next()):
            pass
        return line

    def rest(self):
        return [json.loads(line) for line in self._lines]


@contextmanager
def lines(shop, **query):
    with (
        httpx.Client(base_url=shop.live.url, timeout=10) as client,
        client.stream("GET", PLACE, params=query) as response,
    ):
        yield Lines(response)


def types(found):
    return [each["type"] for each in found if "type" in each]


def test_events_are_lines_of_json_until_the_instance_is_over(shop):
    shop.ends(RUNNING, step("charge", {"paid": b"\xff"}), COMPLETE)
    with lines(shop) as stream:
        assert stream.response.headers["content-type"] == "application/x-ndjson"
        assert stream.response.headers["x-request-id"]
        first, *found, last = stream.rest()
    assert first == {"cursor": 0}
    assert types(found) == [
        *("workflow_queued", "workflow_started", "workflow_running"),
        *STEP,
        "workflow_completed",
    ]
    assert found[1] == {
        "eventId": 16,
        "instanceId": "a",
        "timestamp": NOON,
        "type": "workflow_started",
        "params": {},
    }
    assert found[-2]["output"] == {"paid": "/w=="}
    assert found[-1]["output"] == "done"
    assert last == {"cursor": 63, "done": True, "status": "complete"}
    assert last["cursor"] >= found[-1]["eventId"]


def test_new_events_come_as_they_happen(shop):
    shop.begins()
    with lines(shop) as stream:
        assert [stream.event()["type"] for _ in range(3)][-1] == "workflow_running"
        shop.goes_on(step("charge"))
        assert [stream.event()["type"] for _ in range(4)] == STEP
        shop.ends(Moved("errored", NOON, failure=BOOM))
        assert stream.event()["error"] == {"name": "ValueError", "message": "boom"}
        assert stream.rest()[-1]["status"] == "errored"


def test_a_cursor_and_filters_choose_the_events(shop):
    shop.ends(RUNNING, step("charge"), step("ship"), COMPLETE)
    with lines(shop, filter=["step_completed", "attempt"]) as stream:
        found = stream.rest()
    assert types(found) == ["attempt_started", "attempt_completed", "step_completed"] * 2
    assert found[-1]["status"] == "complete", "it is told though it was not asked for"
    with lines(shop, cursor=found[3]["eventId"], filter="step_completed") as stream:
        (first, *more) = stream.rest()
    assert first == {"cursor": found[3]["eventId"]}
    assert [each.get("stepName") for each in more] == ["ship-1", None]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"filter": "steps"}, "there are no events of type 'steps'"),
        ({"filter": ["step", ""]}, "there are no events of type ''"),
        ({"cursor": "x"}, "`cursor` must be a whole number"),
        ({"cursor": -1}, "`cursor` must be a whole number"),
    ],
)
def test_a_wrong_question_is_refused(shop, query, said):
    shop.begins()
    answer = httpx.get(f"{shop.live.url}{PLACE}", params=query)
    status, number, message = problem(answer)
    assert (status, number) == (400, 10026)
    assert said in message
    if "filter" in query:
        assert "wait_timed_out" in answer.json()["errors"][0]["hint"]


def test_an_instance_that_is_not_there_is_not_found_and_latest_is_the_newest(shop):
    assert problem(httpx.get(f"{shop.live.url}{PLACE}"))[:2] == (404, 10400)
    shop.ends(RUNNING, COMPLETE)
    latest = httpx.get(f"{shop.live.url}{API}{ORDERS}/latest/subscribe", params={"filter": "workflow_queued"})
    assert json.loads(latest.text.splitlines()[1])["instanceId"] == "a"


def test_who_follows_an_instance_that_is_deleted_is_told(shop):
    shop.begins()
    with lines(shop) as stream:
        assert stream.event()["type"] == "workflow_queued"
        shop.is_deleted()
        assert stream.rest()[-1] == {"cursor": 31, "done": True, "status": "deleted"}


def test_a_runner_that_stops_ends_the_lines_without_a_last_word(shop, monkeypatch):
    async def stopped(_after):
        return None

    shop.begins()
    monkeypatch.setattr(shop.live.host, "changed", stopped)
    with lines(shop) as stream:
        assert "done" not in stream.rest()[-1]


def test_a_quiet_instance_has_a_heartbeat_that_leads_past_what_nobody_wants(shop, monkeypatch):
    monkeypatch.setattr(happenings, "HEARTBEAT_S", 0.0)
    shop.begins()
    with lines(shop, filter="step") as stream:
        assert stream.next() == {"cursor": 0}
        assert stream.next() == {"cursor": 31}
        shop.ends(COMPLETE)
        assert stream.rest()[-1] == {"cursor": 47, "done": True, "status": "complete"}


def test_a_subscription_ends_when_its_client_leaves(shop):
    shop.begins()
    with lines(shop) as stream:
        stream.event()
        assert shop.live.site.subscribers == 1
    shop.is_left()


def test_there_is_a_most_of_subscriptions(shop, monkeypatch):
    monkeypatch.setattr(subscribe, "SUBSCRIBERS", 1)
    shop.begins()
    with lines(shop) as stream:
        stream.event()
        assert problem(httpx.get(f"{shop.live.url}{PLACE}"))[:2] == (429, 10429)
    shop.is_left()
    with lines(shop) as stream:
        stream.event()


def test_many_subscriptions_look_at_a_busy_store_less_often():
    assert subscribe.breath_s(1) == subscribe.breath_s(20) == 0.02
    assert subscribe.breath_s(500) == 0.5


# -- a WebSocket -----------------------------------------------------------------------------------------


@contextmanager
def socketed(shop, query="", path=PLACE, **more):
    url = f"ws://127.0.0.1:{shop.live.port}{path}{query}"
    with connect(url, proxy=None, **more) as opened:
        yield opened


def heard(opened):
    """Hear events until the server closes; give them with the code and the reason."""
    found = []
    try:
        while True:
            text = opened.recv(timeout=10)
            assert isinstance(text, str)
            found.append(json.loads(text))
    except ConnectionClosed:
        return found, opened.close_code, opened.close_reason


def refused(shop, query="", **more):
    """Give the answer to a WebSocket that must be refused."""
    with pytest.raises(InvalidStatus) as answer, socketed(shop, query, **more):
        pass
    response = answer.value.response
    body = json.loads(response.body)
    assert response.headers["x-request-id"]
    return response.status_code, body["errors"][0]["code"]


def test_events_are_messages_of_a_websocket_until_the_instance_is_over(shop):
    shop.begins()
    with socketed(shop) as opened:
        assert opened.response.headers["x-request-id"]
        assert [json.loads(opened.recv(timeout=10))["type"] for _ in range(3)] == [
            *("workflow_queued", "workflow_started", "workflow_running")
        ]
        opened.send("nobody listens")
        opened.send(b"\x00")
        shop.goes_on(step("charge"))
        assert [json.loads(opened.recv(timeout=10))["type"] for _ in range(4)] == STEP
        shop.ends(COMPLETE)
        ((end,), code, reason) = heard(opened)
    assert (end["type"], code, reason) == ("workflow_completed", 1000, "complete")
    shop.is_left()


def test_a_websocket_goes_on_from_a_cursor_with_what_is_wanted(shop):
    shop.ends(RUNNING, step("charge"), step("ship"), COMPLETE)
    with socketed(shop, "?filter=step_completed&filter=workflow_started") as opened:
        found, *_ = heard(opened)
    assert types(found) == ["workflow_started", "step_completed", "step_completed"]
    with socketed(shop, f"?cursor={found[1]['eventId']}&filter=step_completed") as opened:
        assert heard(opened) == ([found[2]], 1000, "complete")


def test_a_websocket_says_when_the_instance_is_deleted_or_the_runner_stops(shop, monkeypatch):
    async def stopped(_after):
        return None

    shop.begins()
    with socketed(shop, "?cursor=99") as opened:
        shop.is_deleted()
        assert heard(opened) == ([], 4404, "deleted")
    shop.begins()
    monkeypatch.setattr(shop.live.host, "changed", stopped)
    with socketed(shop, "?cursor=99") as opened:
        assert heard(opened)[1:] == (1001, "the runner stops")


def test_a_websocket_is_refused_as_any_request_is(shop, monkeypatch):
    assert refused(shop) == (404, 10400)
    shop.begins()
    assert refused(shop, "?filter=steps") == (400, 10026)
    assert refused(shop, path=PLACE.replace("orders", "nothing")) == (404, 10200)
    assert refused(shop, path=f"{API}/nothing") == (404, 7003)
    monkeypatch.setattr(subscribe, "SUBSCRIBERS", 0)
    assert refused(shop) == (429, 10429)


def test_a_page_of_another_origin_gets_no_websocket_of_a_dev_session(shop):
    shop.begins()
    assert refused(shop, origin="http://evil.example") == (403, 9109)
    assert refused(shop, origin="null") == (403, 9109)
    assert refused(shop, additional_headers={"x-forwarded-for": "203.0.113.7"}) == (403, 9109)
    with socketed(shop, origin=shop.live.url) as opened:
        assert opened.recv(timeout=10)


def test_a_client_that_leaves_its_websocket_is_noticed(shop):
    shop.begins()
    with socketed(shop) as opened:
        opened.recv(timeout=10)
        assert shop.live.site.subscribers == 1
    shop.is_left()


def test_a_client_that_takes_nothing_is_left(shop, monkeypatch):
    monkeypatch.setattr(upgrade, "SLOW_S", 0.1)
    monkeypatch.setattr(upgrade, "GOODBYE_S", 0.1)
    shop.goes_on(RUNNING)
    for number in range(12):
        shop.goes_on(step(f"big{number}", "x" * 1_000_000))
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(("127.0.0.1", shop.live.port))
        deaf.sendall(
            f"GET {PLACE} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        shop.is_left()


def test_what_breaks_in_the_middle_closes_the_websocket(shop, monkeypatch, caplog):
    async def broken(_after):
        raise RuntimeError("the disk is gone")

    shop.begins()
    monkeypatch.setattr(shop.live.host, "changed", broken)
    with socketed(shop, "?cursor=99") as opened:
        assert heard(opened) == ([], 1011, "the runner's log tells more")
    assert "the disk is gone" in caplog.text


# -- tokens ----------------------------------------------------------------------------------------------


@pytest.fixture
def runner(tmp_path):
    """A shop behind tokens, with the header that a reader sends."""

    class Late:
        """The policy of a runner whose store is opened after it."""

        async def admit(self, request: HTTPConnection) -> Caller:
            return await TokenAuth(store=store, now=now).admit(request)

    live = Live(tmp_path / "data", auth=Late())
    store, now = live.host.store, live.host.now
    _, text = live.run(tokens.create(store, "reader", "read", now=now()))
    yield Shop(live), {"authorization": f"Bearer {text}"}
    live.close()


def test_a_websocket_wants_a_token_in_the_header_or_a_pass_in_the_url(runner):
    shop, header = runner
    shop.ends(RUNNING, COMPLETE)
    assert refused(shop) == (401, 10000)
    with socketed(shop, additional_headers=header) as opened:
        assert heard(opened)[1] == 1000
    made = result(httpx.get(f"{shop.live.url}{PLACE}/token", headers=header))
    assert made["instance_id"] == "a"
    assert made["expires_on"].endswith("Z")
    for _ in range(2):
        with socketed(shop, f"?token={made['token']}&filter=workflow_queued") as opened:
            assert types(heard(opened)[0]) == ["workflow_queued"]
    assert problem(httpx.get(f"{shop.live.url}{PLACE}/token"))[:2] == (401, 10000)


def test_a_pass_is_for_one_instance_and_its_websocket_only(runner):
    shop, header = runner
    shop.ends(RUNNING, COMPLETE)
    shop.live.run(shop.live.host.play("b", RUNNING, COMPLETE))
    latest = PLACE.replace("/a/", "/latest/")
    made = result(httpx.get(f"{shop.live.url}{latest}/token", headers=header))
    assert made["instance_id"] == "b"
    query = f"?token={made['token']}"
    assert refused(shop, query) == (401, 10000)
    assert refused(shop, query, path=latest) == (401, 10000)
    assert refused(shop, query, path=f"{API}{ORDERS}/b") == (401, 10000)
    for path in (PLACE.replace("/a/", "/b/"), f"{API}/workflows"):
        assert problem(httpx.get(f"{shop.live.url}{path}{query}"))[:2] == (401, 10000)
    with socketed(shop, query, path=PLACE.replace("/a/", "/b/")) as opened:
        assert heard(opened)[1] == 1000
