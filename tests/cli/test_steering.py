"""The commands that differ by a verb: pause, resume, cancel."""

from __future__ import annotations

import json

import pytest

INSTANCES = "/accounts/local/workflows/shop/instances"
THE = 'The instance "order-1" from shop'


def after(status, **more):
    return {"status": status, "timestamp": "2026-11-22T12:00:00.000Z", "instanceId": "order-1", **more}


@pytest.mark.parametrize(
    ("verb", "status", "told"),
    [
        ("pause", "paused", "was paused successfully"),
        ("pause", "waitingForPause", "was paused successfully"),
        ("pause", "complete", "is complete; nothing was changed"),
        ("pause", "rollingBack", "is rollingBack; nothing was changed"),
        ("resume", "queued", "was resumed successfully"),
        ("resume", "terminated", "is terminated; nothing was changed"),
        ("cancel", "running", "was asked to cancel"),
        ("cancel", "terminated", "was asked to cancel"),
    ],
)
def test_an_instance_is_told_and_what_became_of_it_is_said(wflow, logged_in, verb, status, told):  # noqa: PLR0917 - a table
    logged_in.gives("PATCH", f"{INSTANCES}/latest/status", after(status))
    ran = wflow("workflows", "instances", verb, "shop", "latest")
    assert (ran.code, ran.out) == (0, f"{THE} {told}\n")
    assert ("as soon as the steps that run are over" in ran.err) is (status == "waitingForPause")
    assert logged_in.asked[-1].json == {"status": verb}


def test_code_that_does_not_ask_for_what_is_recorded_is_accepted(wflow, logged_in):
    logged_in.gives("PATCH", f"{INSTANCES}/order-1/status", after("queued"))
    ran = wflow("workflows", "instances", "resume", "shop", "order-1", "--accept")
    assert (ran.code, ran.out) == (0, f"{THE} was resumed successfully\n")
    assert logged_in.asked[-1].json == {"status": "resume", "accept": True}


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_a_program_gets_the_apis_answer(wflow, runner, verb):
    runner.gives("PATCH", f"{INSTANCES}/order-1/status", after("paused"))
    ran = wflow("workflows", "instances", verb, "shop", "order-1", "--local", "--port", runner.port, "--json")
    assert (ran.code, json.loads(ran.out)) == (0, after("paused"))


def test_each_has_a_help_of_its_own(wflow):
    helps = {verb: wflow("workflows", "instances", verb, "--help").out for verb in ("pause", "resume")}
    assert "Pause an instance: " in helps["pause"]
    assert "instances resume my-workflow order-1" in helps["resume"]


def test_nobody_is_told_in_the_runners_words(wflow, logged_in):
    logged_in.refuses("PATCH", f"{INSTANCES}/x/status", 404, code=10400, message="there is no instance")
    ran = wflow("workflows", "instances", "pause", "shop", "x")
    assert (ran.code, ran.out, ran.err) == (1, "", "error: there is no instance\n")
