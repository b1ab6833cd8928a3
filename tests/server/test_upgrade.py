"""A request for a WebSocket that nobody takes is a plain request, and is answered as one."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.server.live import Live
from tests.server.small_host import API
from wflow.server import front, upgrade
from wflow.server.upgrade import Upgrades


@pytest.fixture
def live(tmp_path):
    live = Live(tmp_path / "data")
    yield live
    live.close()


def refusal(live, path):
    with pytest.raises(InvalidStatus) as answer:
        connect(f"ws://127.0.0.1:{live.port}{path}", proxy=None)
    return answer.value.response


def test_a_worker_hears_nothing_of_it_and_the_client_is_told_why(live):
    response = refusal(live, "/live?x=1")
    assert (response.status_code, response.body) == (501, f"{front.NO_SOCKETS}\n".encode())
    assert live.host.fetched == []


def test_a_route_that_takes_none_answers_as_ever(live):
    response = refusal(live, f"{API}/workflows")
    assert response.status_code == 200
    assert [one["name"] for one in json.loads(response.body)["result"]] == ["orders", "returns"]


def test_a_stream_that_takes_none_ends_when_the_client_leaves(live):
    async def left():
        while live.site.followers:
            await live.host.changed(await live.host.store.position())

    with pytest.raises(TimeoutError):
        connect(f"ws://127.0.0.1:{live.port}{API}/logs?follow=true", proxy=None, open_timeout=0.3)
    live.run(left())


def test_a_stream_that_takes_none_is_cut_when_it_is_long(live, monkeypatch):
    monkeypatch.setattr(upgrade, "REFUSAL_BYTES", 5)
    response = refusal(live, f"{API}/logs?follow=true")
    assert (response.status_code, response.body) == (200, b"")


def test_other_requests_pass_by_untouched(live):
    heard = []

    async def app(scope, receive, send):
        heard.append((scope, receive, send))

    async def receive():
        return {}

    async def send(_message):
        pass

    live.run(Upgrades(app)({"type": "http"}, receive, send))
    assert heard == [({"type": "http"}, receive, send)]
