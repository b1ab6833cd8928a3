from __future__ import annotations

import json

from tests.client.conftest import Script

PLACE = "/accounts/local/workflows/shop/instances"
QUEUED = {"eventId": 1, "instanceId": "order-1", "timestamp": 1_763_812_991_123, "type": "workflow_queued"}
DONE = {**QUEUED, "eventId": 16, "type": "workflow_completed", "output": 7}


def says(runner, *lines, id_="order-1"):
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    runner.answers["GET", f"{PLACE}/{id_}/subscribe"] = (200, body)


def test_an_instance_is_followed_until_it_is_complete(wflow, logged_in):
    says(logged_in, {"cursor": 0}, QUEUED, DONE, {"cursor": 31, "done": True, "status": "complete"})
    ran = wflow("workflows", "instances", "watch", "shop", "order-1")
    assert ran.code == 0
    assert [json.loads(line) for line in ran.out.splitlines()] == [QUEUED, DONE]
    assert ran.err == 'The instance "order-1" of shop is complete.\n'
    assert logged_in.asked[-1].token == "s3cret"
    assert logged_in.asked[-1].query == {}


def test_any_other_end_is_exit_code_1(wflow, logged_in):
    for status in ("errored", "terminated", "deleted"):
        says(logged_in, {"cursor": 0}, {"cursor": 31, "done": True, "status": status})
        ran = wflow("workflows", "instances", "watch", "shop", "order-1")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f'The instance "order-1" of shop is {status}.\n'


def test_a_person_reads_lines(wflow, logged_in):
    says(logged_in, QUEUED, DONE, {"cursor": 31, "done": True, "status": "complete"})
    ran = wflow("workflows", "instances", "watch", "shop", "order-1", "--format", "pretty")
    assert [line.split(" ", 2)[2] for line in ran.out.splitlines()] == [
        "workflow_queued",
        "workflow_completed         7",
    ]


def test_filters_reach_the_runner(wflow, logged_in):
    says(logged_in, {"cursor": 31, "done": True, "status": "complete"})
    wflow(
        "workflows", "instances", "watch", "shop", "order-1", "--filter", "step", "--filter", "wait_timed_out"
    )
    assert logged_in.asked[-1].query == {"filter": "step,wait_timed_out"}


def test_latest_is_the_newest_instance(wflow, logged_in):
    logged_in.gives("GET", f"{PLACE}/latest", {"id": "order-9"})
    says(logged_in, {"cursor": 31, "done": True, "status": "complete"}, id_="order-9")
    ran = wflow("workflows", "instances", "watch", "shop", "latest")
    assert (ran.code, ran.err) == (0, 'The instance "order-9" of shop is complete.\n')


def test_a_connection_that_breaks_is_told_and_made_again(wflow, monkeypatch):
    def lines(*each):
        return 200, {}, b"".join(json.dumps(line).encode() + b"\n" for line in each)

    server = Script(
        lines({"cursor": 0}, QUEUED),
        lines({"cursor": 1}, DONE, {"cursor": 31, "done": True, "status": "complete"}),
    )
    monkeypatch.setenv("WFLOW_API_URL", server.url)
    monkeypatch.setenv("WFLOW_API_TOKEN", "s3cret")
    try:
        ran = wflow("workflows", "instances", "watch", "shop", "order-1")
    finally:
        server.close()
    assert (ran.code, len(ran.out.splitlines())) == (0, 2)
    assert "ended the tail; trying again in 0.1 s" in ran.err
    assert [path.partition("?")[2] for _, path, _ in server.asked] == ["", "cursor=1"]


def test_a_runner_that_says_no_is_told(wflow, logged_in):
    logged_in.refuses(
        "GET", f"{PLACE}/order-1/subscribe", 404, code=10400, message="there is no such instance"
    )
    ran = wflow("workflows", "instances", "watch", "shop", "order-1")
    assert (ran.code, ran.out) == (1, "")
    assert "error: there is no such instance" in ran.err
