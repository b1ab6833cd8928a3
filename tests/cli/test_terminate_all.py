from __future__ import annotations

import json

import pytest

TERMINATE = "/accounts/local/workflows/shop/instances/terminate"
DONE = {"status": "complete", "terminated": 1_200, "filter": {"status": None}}
ALL = ("workflows", "instances", "terminate-all", "shop")


def test_all_are_terminated_and_counted(wflow, logged_in):
    logged_in.gives("PUT", TERMINATE, {"status": "ok"})
    logged_in.gives("GET", TERMINATE, DONE)
    ran = wflow(*ALL)
    assert (ran.code, ran.out) == (0, "1,200 instances of shop terminated\n")
    assert ran.err == (
        "Terminate all instances of shop? Yes, as there is no terminal to ask on.\n"
        "A job to terminate all instances of shop has been started.\n"
    )
    assert [(asked.method, asked.query) for asked in logged_in.asked] == [
        ("PUT", {}),
        ("GET", {"job": "true"}),
    ]


def test_those_in_one_status_are_terminated_without_a_question(wflow, logged_in):
    logged_in.gives("PUT", TERMINATE, {"status": "ok"})
    logged_in.gives("GET", TERMINATE, DONE)
    ran = wflow(*ALL, "--status", "queued", "--yes", "--json")
    assert (ran.code, json.loads(ran.out)) == (0, DONE)
    assert ran.err == "A job to terminate all instances of shop that are queued has been started.\n"
    assert logged_in.asked[0].query == {"status": "queued"}


def test_a_job_that_runs_already_is_waited_for(wflow, logged_in):
    logged_in.gives("PUT", TERMINATE, {"status": "already_running"})
    logged_in.gives("GET", TERMINATE, {**DONE, "terminated": 1})
    ran = wflow(*ALL, "-y")
    assert (ran.code, ran.out) == (0, "1 instance of shop terminated\n")
    assert "is already running; waiting for that one" in ran.err


@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_a_job_that_broke_off_ends_with_1(wflow, logged_in, json_):
    logged_in.gives("PUT", TERMINATE, {"status": "ok"})
    logged_in.gives("GET", TERMINATE, {**DONE, "status": "errored", "terminated": 7})
    ran = wflow(*ALL, *json_)
    assert ran.code == 1
    assert "error: the job broke off after it had terminated 7 instances" in ran.err


def test_a_status_that_cannot_be_terminated_is_refused(wflow, logged_in):
    ran = wflow(*ALL, "--status", "complete")
    assert (ran.code, logged_in.asked) == (1, [])
