"""`/logs`: stored lines, and a tail on a real socket."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.server.live import Live
from tests.server.small_host import API, problem, result
from wflow.engine.facts import Failed, Logged, Moved, Opened, Settled
from wflow.engine.outcome import Failure, Ok
from wflow.server import route
from wflow.server.routes import logs

BOOM = Failure(name="ValueError", message="boom")


def said(level, message, at=1_000, **detail):
    return Logged(level, message, at, detail, source="worker")


def messages(house, **query):
    return [line["message"] for line in house.get("/logs", **query)]


@pytest.fixture
def told(house):
    """Two instances of orders, one of returns, and two lines of a Worker."""
    play, log = house.host.play, house.host.log
    house.run(log(said("info", "booted", 1_000)))
    house.run(
        play(
            "a",
            Moved("running", 2_000),
            Opened("charge-1", "do", 2_001),
            Failed("charge-1", 1, 2_001, 2_002, BOOM, 2_003),
            Settled("charge-1", "do", 2_004, Ok(), b"", 2_001, 2, 2_003),
            Logged("info", "charged", 2_005, {"amount": 5}),
            Moved("complete", 2_006),
        )
    )
    house.run(play("b", Moved("running", 3_000), Moved("errored", 3_001, failure=BOOM)))
    house.run(play("r", Moved("running", 4_000), workflow="returns"))
    house.run(log(said("warn", "printed", 5_000, workflow="orders", instance="b")))
    return house


def test_the_last_lines_come_oldest_first(told):
    assert messages(told) == [
        "booted",
        "started",
        "attempt 1 failed: ValueError: boom; retry in 1 ms",
        "done",
        "charged",
        "complete",
        "started",
        "errored: ValueError: boom",
        "started",
        "printed",
    ]
    assert messages(told, limit=2) == ["started", "printed"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"workflow": "returns"}, ["started"]),
        ({"instance": "b"}, ["started", "errored: ValueError: boom", "printed"]),
        ({"workflow": "orders", "instance": "b", "level": "warn"}, ["errored: ValueError: boom", "printed"]),
        ({"step": "charge"}, ["attempt 1 failed: ValueError: boom; retry in 1 ms", "done"]),
        ({"step": "charge", "level": "warn"}, ["attempt 1 failed: ValueError: boom; retry in 1 ms"]),
        ({"level": "error"}, ["errored: ValueError: boom"]),
        ({"search": "CHARG"}, ["charged"]),
        ({"search": '"amount":5'}, ["charged"]),
        ({"workflow": "nobody"}, []),
        ({"since": "3001"}, ["errored: ValueError: boom", "started", "printed"]),
        ({"since": "1970-01-01T00:00:04Z"}, ["started", "printed"]),
        ({"since": "5m"}, []),
        ({"cursor": 0, "limit": 1}, ["booted"]),
    ],
)
def test_lines_are_found_by_what_is_asked(told, query, expected):
    assert messages(told, **query) == expected


def test_the_debug_level_shows_beginnings_too(told):
    assert "do begins" in messages(told, level="debug")


def test_a_line_has_all_that_is_known(told):
    (line,) = told.get("/logs", search="charged")
    assert line == {
        "cursor": line["cursor"],
        "at": 2_005,
        "level": "info",
        "source": "workflow",
        "workflow": "orders",
        "instance": "a",
        "step": "",
        "message": "charged",
        "data": {"amount": 5},
        "kind": "logged",
    }


@pytest.mark.parametrize("limit", [1, 3, 10, 11])
def test_a_cursor_leads_through_all_lines_and_on_to_new_ones(told, limit):
    seen, query = [], {"cursor": 0, "limit": limit}
    while True:
        body = told.api("GET", "/logs", params=query).json()
        seen += [line["message"] for line in body["result"]]
        query["cursor"] = body["result_info"]["cursor"]
        if not body["result_info"]["more"]:
            break
    assert seen == messages(told)
    told.run(told.host.log(said("info", "later")))
    assert messages(told, **query) == ["later"]


def test_the_cursor_of_the_last_lines_leads_on_to_new_ones(told):
    info = told.api("GET", "/logs", params={"limit": 1}).json()["result_info"]
    told.run(told.host.log(said("debug", "hidden"), said("info", "later")))
    assert messages(told, cursor=info["cursor"]) == ["later"]


def test_one_answer_looks_at_so_many_records_and_says_where_to_go_on(house, monkeypatch):
    monkeypatch.setattr(logs, "READ_AT_ONCE", 10)
    monkeypatch.setattr(logs, "SCANNED_MAX", 100)
    house.run(house.host.log(*(said("info", f"line {n}") for n in range(250))))
    query, rounds = {"cursor": 0, "search": "line 249"}, 0
    while True:
        body = house.api("GET", "/logs", params=query).json()
        rounds += 1
        if not body["result_info"]["more"]:
            break
        assert body["result"] == []
        query["cursor"] = body["result_info"]["cursor"]
    assert rounds == 3
    assert [line["message"] for line in body["result"]] == ["line 249"]


def test_the_last_lines_are_found_far_back_but_not_for_ever(house, monkeypatch):
    monkeypatch.setattr(logs, "READ_AT_ONCE", 10)
    house.run(
        house.host.log(
            said("error", "rare"), *(said("info", f"{n}") for n in range(500)), said("error", "new")
        )
    )
    assert messages(house, level="error", limit=2) == ["rare", "new"]
    monkeypatch.setattr(logs, "SCANNED_MAX", 100)
    assert messages(house, level="error", limit=2) == ["new"]


@pytest.mark.parametrize(
    "query",
    [
        {"level": "loud"},
        {"limit": 1_001},
        {"limit": 0},
        {"since": "soon"},
        {"cursor": "x"},
        {"cursor": 1, "since": "5m"},
        {"follow": "yes"},
    ],
)
def test_a_wish_that_cannot_be_is_refused(house, query):
    assert problem(house.api("GET", "/logs", params=query))[:2] == (400, 10026)


@pytest.fixture
def live(tmp_path):
    live = Live(tmp_path / "data")
    yield live
    live.close()


class Tail:
    """The lines of an answer that does not end."""

    def __init__(self, response):
        self.response = response
        self._chunks = response.iter_bytes()
        self._rest = b""

    def next(self):
        while b"\n" not in self._rest:
            self._rest += next(self._chunks)
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def line(self):
        """Give the next one that is no heartbeat."""
        while "message" not in (line := self.next()):
            pass
        return line


@pytest.fixture
def tail(live):
    """Open a tail."""
    opened = []

    def follow(**query):
        client = httpx.Client(base_url=live.url, timeout=10)
        stream = client.stream("GET", f"{API}/logs", params={**query, "follow": "true"})
        opened.append((client, stream))
        return Tail(stream.__enter__())

    yield follow
    for client, stream in opened:
        stream.__exit__(None, None, None)
        client.close()


def test_a_tail_gives_new_lines_as_they_come(live, tail):
    live.run(live.host.log(said("info", "old")))
    following = tail()
    assert following.response.headers["content-type"] == "application/x-ndjson"
    assert following.next() == {"cursor": 1}
    live.run(live.host.log(said("info", "one")))
    assert following.line()["message"] == "one"
    live.run(live.host.log(said("debug", "hidden"), said("info", "two \u2028 three\x85")))
    line = following.line()
    assert (line["message"], line["cursor"]) == ("two \u2028 three\x85", 4)


def test_a_tail_begins_with_stored_lines_when_asked(live, tail):
    live.run(live.host.log(*(said("info", f"{n}", at=n) for n in range(1, 601))))
    following = tail(since="301")
    assert [following.line()["message"] for _ in range(300)] == [str(n) for n in range(301, 601)]
    again = tail(cursor=598)
    assert [again.line()["message"] for _ in range(2)] == ["599", "600"]


def test_a_tail_shows_only_what_is_wanted(live, tail):
    following = tail(level="warn", workflow="orders")
    following.next()
    live.run(live.host.log(said("info", "no"), said("warn", "no", workflow="returns")))
    live.run(live.host.play("a", Moved("running", 1), Moved("errored", 2, failure=BOOM)))
    assert following.line()["message"] == "errored: ValueError: boom"


def test_a_heartbeat_carries_the_cursor_past_what_nobody_wants(live, tail):
    following = tail(level="error")
    assert following.next() == {"cursor": 0}
    live.run(live.host.log(said("info", "no"), said("info", "no")))
    while (beat := following.next()) != {"cursor": 2}:
        assert beat == {"cursor": 0}


def test_a_cursor_from_a_store_that_was_emptied_shows_what_is_new(live, tail):
    following = tail(cursor=1_000_000)
    assert following.next() == {"cursor": 0}
    live.run(live.host.log(said("info", "one")))
    assert following.line()["message"] == "one"


def test_a_tail_ends_when_its_client_leaves(live):
    async def gone():
        while live.site.followers:
            await live.host.changed(await live.host.store.position())

    with (
        httpx.Client(base_url=live.url, timeout=10) as client,
        client.stream("GET", f"{API}/logs", params={"follow": "true"}) as response,
    ):
        lines = response.iter_lines()
        next(lines)
        assert live.site.followers == 1
    live.run(gone())
    assert live.site.followers == 0


def test_there_is_a_most_of_tails(live, tail, monkeypatch):
    monkeypatch.setattr(logs, "FOLLOWERS", 1)
    first = tail()
    first.next()
    refused = httpx.get(f"{live.url}{API}/logs", params={"follow": "true"})
    assert problem(refused)[:2] == (429, 10429)
    assert result(httpx.get(f"{live.url}{API}/logs")) == []
    assert route.FOLLOWERS == 100


def test_a_real_server_answers_requests_for_a_worker(live):
    answer = httpx.post(f"{live.url}/a%2Fb?x=1", content=b"body")
    assert (answer.status_code, answer.text) == (200, "hello")
    ((_, request),) = live.host.fetched
    assert (request.url, request.body) == (f"{live.url}/a%2Fb?x=1", b"body")
    head = httpx.head(live.url)
    assert (head.headers["content-length"], head.content) == ("5", b"")
