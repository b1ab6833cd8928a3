from __future__ import annotations

import json

import pytest

WORKFLOWS = "/accounts/local/workflows"
INSTANCES = f"{WORKFLOWS}/shop/instances"
TOKENS = "/accounts/local/tokens"
NOON = "2026-11-22T12:00:00.000Z"
SHOP = {
    "id": "shop",
    "name": "shop",
    "script_name": "shop-worker",
    "class_name": "Shop",
    "created_on": NOON,
    "modified_on": NOON,
}
ORDER = {
    "id": "order-1",
    "status": "running",
    "created_on": NOON,
    "modified_on": NOON,
    "version_id": "8b83a083-d417-3cb3-4d63-e25ed4ce88ad",
    "workflow_id": "shop",
}


def test_workflows_are_a_table(wflow, logged_in):
    logged_in.gives("GET", WORKFLOWS, [SHOP])
    ran = wflow("workflows", "list")
    assert (ran.code, ran.err) == (0, "")
    head, row = ran.out.splitlines()
    assert head.split("  ")[0] == "Name"
    assert row.split()[:3] == ["shop", "shop-worker", "Shop"]


def test_no_workflows_are_told_with_the_way_to_some(wflow, logged_in):
    logged_in.gives("GET", WORKFLOWS, [])
    ran = wflow("workflows", "list")
    assert (ran.code, ran.out) == (0, "")
    assert "`wflow deploy`" in ran.err


def test_lists_for_programs_are_the_apis_own_and_empty_ones_too(wflow, logged_in):
    logged_in.gives("GET", WORKFLOWS, [SHOP])
    logged_in.gives("GET", INSTANCES, [])
    assert json.loads(wflow("workflows", "list", "--json").out) == [SHOP]
    ran = wflow("workflows", "instances", "list", "shop", "--json")
    assert (json.loads(ran.out), ran.err) == ([], "")


def test_instances_are_a_table_and_the_newest_come_first(wflow, logged_in):
    logged_in.gives("GET", INSTANCES, [ORDER], {"count": 1, "per_page": 25, "total_count": 60})
    ran = wflow("workflows", "instances", "list", "shop", "--status", "running")
    head, row = ran.out.splitlines()
    assert head.split("  ")[0] == "Instance ID"
    assert (row.split()[:2], row.split()[-1]) == (["order-1", "8b83a083"], "running")
    assert ran.err == "Showing 1 of 60; `--page 2` goes on.\n"
    assert logged_in.asked[-1].query == {
        "status": "running",
        "direction": "desc",
        "page": "1",
        "per_page": "25",
    }


def test_instances_can_be_turned_round_and_paged(wflow, logged_in):
    logged_in.gives("GET", INSTANCES, [])
    ran = wflow("workflows", "instances", "list", "shop", "--reverse", "--page", "3", "--per-page", "5")
    assert logged_in.asked[-1].query == {"direction": "asc", "page": "3", "per_page": "5"}
    assert ran.err == "No instances found on page 3. Please try a smaller page number.\n"


def test_instances_are_found_by_tag_and_by_when_they_were_made(wflow, logged_in):
    logged_in.gives("GET", INSTANCES, [ORDER], {"count": 1, "per_page": 25, "cursor": "7"})
    dates = ("--date-start", "2026-11-22T12:00:00Z", "--date-end", "2026-11-22T13:00:00+01:00")
    ran = wflow("workflows", "instances", "list", "shop", "--tag", "vip", *dates)
    assert ran.err == "There are more; `--page 2` goes on.\n", "nobody has counted them"
    asked = logged_in.asked[-1].query
    assert (asked["tag"], asked["date_start"]) == ("vip", "2026-11-22T12:00:00+00:00")
    assert asked["date_end"] == "2026-11-22T12:00:00+00:00"
    ran = wflow("workflows", "instances", "list", "shop", "--date-start", "yesterday")
    assert (ran.code, len(logged_in.asked)) == (1, 1)
    assert "`yesterday` is no time" in ran.err


@pytest.mark.parametrize("given", [("--tag", "vip"), ("--status", "rollingBack"), ("--date-end", "1d")])
def test_filters_that_nothing_fits_are_told(wflow, logged_in, given):
    logged_in.gives("GET", INSTANCES, [])
    ran = wflow("workflows", "instances", "list", "shop", *given)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == 'No instances in workflow "shop" matched the provided filters.\n'


def test_no_instances_are_told_with_the_way_to_one(wflow, runner):
    runner.gives("GET", INSTANCES, [])
    ran = wflow("workflows", "instances", "list", "shop", "--local", "--port", runner.port)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == (
        'There are no instances in workflow "shop". '
        f'You can trigger one with "wflow workflows trigger shop --local --port {runner.port}"\n'
    )


def test_tokens_are_a_table_without_secrets(wflow, runner):
    runner.gives("GET", TOKENS, [{"id": "t1", "name": "ci", "scope": "deploy", "created_on": NOON}])
    ran = wflow("runner", "token", "list", "--url", runner.url, "--token", "admin")
    assert ran.code == 0
    assert ran.out.splitlines()[1].split()[:3] == ["ci", "deploy", "t1"]
    assert runner.asked[-1].token == "admin"


def test_priorities_and_keys_have_columns_where_an_instance_has_one(wflow, logged_in):
    logged_in.gives("GET", INSTANCES, [ORDER, {**ORDER, "priority": 1}])
    head, usual, urgent = wflow("workflows", "instances", "list", "shop").out.splitlines()
    assert head.split()[-1] == "Priority"
    assert (usual.split()[-1], urgent.split()[-2:]) == ("running", ["running", "1"])
