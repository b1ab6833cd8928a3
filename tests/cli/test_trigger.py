from __future__ import annotations

import json

INSTANCES = "/accounts/local/workflows/shop/instances"
MADE = {"id": "order-1", "status": "queued", "version_id": "v7", "workflow_id": "shop"}


def test_an_instance_is_started_with_its_params_and_its_id(wflow, logged_in):
    logged_in.gives("POST", INSTANCES, MADE)
    ran = wflow("workflows", "trigger", "shop", '{"amount": 12}', "--id", "order-1")
    assert (ran.code, ran.out) == (0, 'Workflow instance "order-1" has been queued successfully\n')
    assert "`wflow workflows instances describe shop order-1`" in ran.err
    assert logged_in.asked[-1].json == {"params": {"amount": 12}, "instance_id": "order-1"}


def test_without_params_the_payload_is_an_empty_object(wflow, logged_in):
    logged_in.gives("POST", INSTANCES, MADE)
    assert json.loads(wflow("workflows", "trigger", "shop", "--json").out) == MADE
    assert logged_in.asked[-1].json == {"params": {}}


def test_an_instance_is_started_with_tags_and_a_retention(wflow, logged_in):
    logged_in.gives("POST", INSTANCES, MADE)
    kept = ("--success-retention", "1 hour", "--error-retention", "30 days")
    assert wflow("workflows", "trigger", "shop", "--tag", "vip", "--tag", "eu", *kept).code == 0
    assert logged_in.asked[-1].json == {
        "params": {},
        "tags": ["vip", "eu"],
        "instance_retention": {"success_retention": "1 hour", "error_retention": "30 days"},
    }


def test_an_instance_may_be_more_urgent_than_others(wflow, logged_in):
    logged_in.gives("POST", INSTANCES, MADE)
    assert wflow("workflows", "trigger", "shop", "--priority", "1").code == 0
    assert logged_in.asked[-1].json == {"params": {}, "priority": 1}


def test_null_is_a_payload_too(wflow, logged_in):
    logged_in.gives("POST", INSTANCES, MADE)
    wflow("workflows", "trigger", "shop", "null")
    assert logged_in.asked[-1].json == {"params": None}


def test_params_that_are_no_json_are_refused_before_anything_is_sent(wflow, logged_in):
    ran = wflow("workflows", "trigger", "shop", "{url: 1}")
    assert (ran.code, ran.out, logged_in.asked) == (1, "", [])
    assert "error: cannot read the params as JSON: " in ran.err
    assert "\n  {url: 1}\n   ^\n" in ran.err


def test_an_id_that_exists_is_told_in_the_runners_words(wflow, logged_in):
    logged_in.refuses("POST", INSTANCES, 409, code=10405, message="order-1 exists already")
    ran = wflow("workflows", "trigger", "shop", "--id", "order-1")
    assert (ran.code, ran.err) == (1, "error: order-1 exists already\n")
