from __future__ import annotations

import json

STATUS = "/accounts/local/workflows/shop/instances/order-1/status"
AFTER = {"status": "terminated", "timestamp": "2026-11-22T12:00:00.000Z"}
TERMINATE = ("workflows", "instances", "terminate", "shop", "order-1")


def test_an_instance_is_terminated(wflow, logged_in):
    logged_in.gives("PATCH", STATUS, AFTER)
    ran = wflow(*TERMINATE)
    assert (ran.code, ran.out) == (0, 'The instance "order-1" from shop was terminated successfully\n')
    assert logged_in.asked[-1].json == {"status": "terminate"}
    assert json.loads(wflow(*TERMINATE, "--json").out) == AFTER


def test_one_that_has_steps_to_undo_is_asked_to(wflow, logged_in):
    logged_in.gives("PATCH", STATUS, {**AFTER, "status": "running", "instanceId": "order-1"})
    ran = wflow(*TERMINATE, "--rollback")
    assert ran.code == 0
    told = "was asked to roll back its steps and to terminate"
    assert ran.out == f'The instance "order-1" from shop {told}\n'
    assert logged_in.asked[-1].json == {"status": "terminate", "rollback": True}


def test_one_that_is_over_is_told_in_the_runners_words(wflow, logged_in):
    logged_in.refuses("PATCH", STATUS, 409, code=10402, message="order-1 is complete")
    ran = wflow(*TERMINATE)
    assert (ran.code, ran.out, ran.err) == (1, "", "error: order-1 is complete\n")
