from __future__ import annotations

import json

import pytest

STATUS = "/accounts/local/workflows/shop/instances/order-1/status"
AFTER = {"status": "queued", "timestamp": "2026-11-22T12:00:00.000Z", "instanceId": "order-1"}
RESTART = ("workflows", "instances", "restart", "shop", "order-1")


def test_an_instance_is_restarted(wflow, logged_in):
    logged_in.gives("PATCH", STATUS, AFTER)
    ran = wflow(*RESTART)
    assert (ran.code, ran.out) == (0, 'The instance "order-1" from shop was restarted successfully\n')
    assert logged_in.asked[-1].json == {"status": "restart"}
    assert json.loads(wflow(*RESTART, "--json").out) == AFTER


@pytest.mark.parametrize(
    ("given", "start"),
    [
        (("--from-step-name", "charge"), {"name": "charge"}),
        (
            ("--from-step-name", "nap", "--from-step-count", "2", "--from-step-type", "sleep"),
            {"name": "nap", "count": 2, "type": "sleep"},
        ),
    ],
)
def test_an_instance_is_restarted_from_a_step(wflow, logged_in, given, start):
    logged_in.gives("PATCH", STATUS, AFTER)
    assert wflow(*RESTART, *given).code == 0
    assert logged_in.asked[-1].json == {"status": "restart", "from": start}


@pytest.mark.parametrize("given", [("--from-step-count", "2"), ("--from-step-type", "do")])
def test_a_visit_without_a_name_is_asked_for_it(wflow, logged_in, given):
    ran = wflow(*RESTART, *given)
    assert (ran.code, logged_in.asked) == (1, [])
    assert "hint: name it: `--from-step-name`" in ran.err


def test_a_step_that_was_never_reached_is_told_in_the_runners_words(wflow, logged_in):
    message = '(instance.cannot_restart) Step "x" not found in execution history'
    logged_in.refuses("PATCH", STATUS, 409, code=10402, message=message)
    ran = wflow(*RESTART, "--from-step-name", "x")
    assert (ran.code, ran.err) == (1, f"error: {message}\n")
