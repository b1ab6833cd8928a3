"""Stored lines, and a tail that survives its connection."""

from __future__ import annotations

import json
from itertools import islice
from urllib.parse import parse_qs, urlsplit

import pytest

from wflow.client import logs
from wflow.client.api import Remote, connect
from wflow.client.logs import BACKOFF_S, Wanted
from wflow.engine.facts import Logged
from wflow.errors import RunnerError, Unreachable

NDJSON = {"content-type": "application/x-ndjson"}
REFUSED = b'{"success": false, "errors": [{"code": 10000, "message": "unknown token"}]}'


def said(*messages, level="info"):
    return [Logged(level, message, 1_000, {}, source="worker") for message in messages]


@pytest.fixture
def asking(live):
    with connect(Remote(url=live.url)) as asking:
        yield asking


def test_stored_lines_are_read_in_pages(live, asking):
    live.run(live.host.log(*said("one", "two", "three"), *said("four", level="error")))
    page = asking.logs.read(cursor=0, limit=3)
    assert [line["message"] for line in page.lines] == ["one", "two", "three"]
    assert page.more
    page = asking.logs.read(cursor=page.cursor)
    assert ([line["message"] for line in page.lines], page.more) == (["four"], False)
    assert asking.logs.read(cursor=page.cursor).lines == []


def test_lines_are_read_by_what_is_wanted(live, asking):
    live.run(live.host.log(*said("one"), *said("two", level="error")))
    assert [line["message"] for line in asking.logs.read(Wanted(level="error")).lines] == ["two"]
    assert [line["message"] for line in asking.logs.read(Wanted(search="ONE")).lines] == ["one"]
    assert asking.logs.read(Wanted(workflow="orders", instance="a", step="x")).lines == []
    assert asking.logs.read(since="5m").lines == []


def test_a_tail_gives_stored_and_new_lines(live, asking):
    live.run(live.host.log(*said("stored", "line \u2028 one\x85")))
    following = asking.logs.follow(since="0")
    assert [line["message"] for line in islice(following, 2)] == ["stored", "line \u2028 one\x85"]
    live.run(live.host.log(*said("new")))
    assert next(following)["message"] == "new"


def stream(*lines, rest=b""):
    return 200, NDJSON, b"".join(json.dumps(line).encode() + b"\n" for line in lines) + rest


def line(cursor):
    return {"cursor": cursor, "message": f"line {cursor}"}


def follow(server, **more):
    """Follow a scripted server: give its messages, the waits, and what it was asked in the end."""
    waits: list[float] = []
    more.setdefault("sleep", waits.append)
    messages: list[str] = []
    with connect(Remote(url=server.url)) as asking:
        try:
            messages.extend(line["message"] for line in asking.logs.follow(**more))
        except RunnerError as error:
            last = error
    queries = [parse_qs(urlsplit(path).query) for _, path, _ in server.asked]
    return messages, waits, queries, last


def test_a_tail_that_breaks_goes_on_where_it_was(script):
    server = script(
        stream({"cursor": 4}, line(5), line(7), rest=b'{"cursor": 8, "mess'),
        stream({"cursor": 7}, line(8), {"cursor": 20}),
        stream({"cursor": 20}, line(21)),
        (401, {}, REFUSED),
    )
    messages, waits, queries, last = follow(server, since="10m")
    assert messages == ["line 5", "line 7", "line 8", "line 21"]
    assert [query.get("cursor") for query in queries] == [None, ["7"], ["20"], ["21"]]
    assert [query.get("since") for query in queries] == [["10m"], None, None, None]
    assert waits == [BACKOFF_S[0]] * 3, "each connection that said something begins the waits anew"
    assert (last.status, last.number) == (401, 10000)


def test_a_tail_that_broke_before_its_first_line_has_no_gap(script):
    server = script(stream({"cursor": 4}), stream({"cursor": 4}, line(5)), (401, {}, REFUSED))
    messages, _, queries, _ = follow(server)
    assert messages == ["line 5"]
    assert queries[1]["cursor"] == ["4"]


def test_waits_grow_while_the_runner_is_down_and_someone_is_told(script):
    down: tuple[int, dict[str, str], bytes] = (503, {}, b"")
    server = script(stream({"cursor": 4}), *[down] * 8, (401, {}, REFUSED))
    told = []
    _, waits, _, _ = follow(server, on_wait=lambda error, wait_s: told.append((error.message, wait_s)))
    assert waits == [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0, 5.0]
    assert [wait_s for _, wait_s in told] == waits
    assert "ended the tail" in told[0][0]
    assert "answered 503" in told[1][0]


def test_a_tail_gives_up_when_it_is_told_how_often_to_try(script):
    server = script(stream({"cursor": 4}), *[(503, {}, b"")] * 3)
    _, waits, _, last = follow(server, tries=3)
    assert (len(waits), last.status) == (3, 503)


def test_a_first_connection_that_fails_is_told_at_once(script):
    server = script((503, {}, b""))
    messages, waits, _, last = follow(server)
    assert (messages, waits, last.status) == ([], [], 503)


def test_a_tail_whose_runner_is_gone_for_good_is_unreachable(script):
    server = script(stream({"cursor": 4}))
    messages, waits, _, last = follow(server, tries=1, on_wait=lambda *_: server.close())
    assert (messages, len(waits)) == ([], 1)
    assert isinstance(last, Unreachable)


@pytest.mark.parametrize("bad", [b"<html>\n", b"[]\n", b"{}\n", b'{"cursor": "x"}\n'])
def test_a_tail_that_makes_no_sense_is_told(script, bad):
    server = script((200, NDJSON, b'{"cursor": 1}\n' + bad))
    *_, last = follow(server, tries=0)
    assert "the tail has a line" in last.message


def test_a_line_without_an_end_is_not_kept_for_ever(script, monkeypatch):
    monkeypatch.setattr(logs, "LINE_BYTES", 100)
    server = script((200, NDJSON, b'{"cursor": 1}\n' + b"x" * 10_000))
    *_, last = follow(server, tries=0)
    assert "more than 100 bytes" in last.message
