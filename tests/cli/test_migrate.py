from __future__ import annotations

import json

import pytest

from tests.cli.shop import version

SHOP = "/accounts/local/workers/scripts/shop"
PLACE = "/accounts/local/workflows/orders/instances"
WORKFLOW = "/accounts/local/workflows/orders"


def told(id_, *, fits=True, migrated=True, **more):
    return {
        "id": id_,
        "workflow_name": "orders",
        "version_id": "v2" if fits else "v1",
        "status": "waiting",
        "fits": fits,
        "migrated": migrated,
        "error": None if fits else {"name": "NonDeterminismError", "message": "they differ"},
        "divergence": None,
        **more,
    }


@pytest.fixture
def orders(logged_in):
    logged_in.gives("GET", WORKFLOW, {"name": "orders", "version_id": "v2", "script_name": "shop"})
    logged_in.gives("GET", f"{SHOP}/versions", {"items": [version(2, id="v2"), version(1, id="v1")]})
    logged_in.gives("POST", f"{PLACE}/a/migrate", told("a"))
    logged_in.gives("POST", f"{PLACE}/b/migrate", told("b", fits=False, migrated=False))
    logged_in.gives("POST", f"{PLACE}/c/migrate", told("c", migrated=False))
    hint = "try again"
    logged_in.refuses("POST", f"{PLACE}/d/migrate", 409, code=10402, message="d runs charge-1", hint=hint)
    return logged_in


def migrate(wflow, *arguments):
    return wflow("workflows", "instances", "migrate", "orders", *arguments)


def test_each_is_told_in_a_line_moved_or_why_not(wflow, orders):
    ran = migrate(wflow, "a", "b", "c", "d", "a")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "a: moved to version v2",
        "b: they differ",
        "c: is on version v2 already",
        "d: d runs charge-1",
    ]
    assert "hint: try again" in ran.err
    assert "error: 2 of 4 instances were not migrated" in ran.err


def test_when_all_have_moved_it_is_a_success(wflow, orders):
    ran = migrate(wflow, "a", "c", "--to", "2")
    assert (ran.code, ran.err) == (0, "")
    assert [asked.json for asked in orders.asked if asked.method == "POST"] == [{"version": "v2"}] * 2


def test_a_version_that_there_is_not_is_told_once_and_nothing_is_asked_for(wflow, orders):
    ran = migrate(wflow, "a", "c", "--to", "7")
    assert (ran.code, ran.out) == (1, "")
    assert "error: `7` is no version of this Worker" in ran.err
    assert [asked for asked in orders.asked if asked.method == "POST"] == []


def test_a_dry_run_only_tells_which_would(wflow, orders):
    ran = migrate(wflow, "a", "b", "--dry-run")
    assert (ran.code, ran.out) == (1, "a: fits\nb: they differ\n")
    assert "error: 1 of 2 instances would not be migrated" in ran.err
    assert "error: 1 of 1 instance was not migrated" in migrate(wflow, "b").err
    assert orders.asked[0].json == {"dry_run": True}


def test_all_are_those_that_are_unfinished_and_elsewhere_each_once(wflow, orders):
    listed = [
        {"id": "a", "version_id": "v1"},
        {"id": "z", "version_id": "v2"},
        {"id": "c", "version_id": "v1"},
    ]
    orders.gives("GET", PLACE, listed)
    ran = migrate(wflow, "--all")
    assert (ran.code, ran.out) == (0, "a: moved to version v2\nc: is on version v2 already\n")
    asked = [one.query["status"] for one in orders.asked if one.path == PLACE]
    assert set(asked) == {"queued", "running", "waiting", "waitingForPause", "paused", "rollingBack"}


def test_where_there_is_nothing_to_move_that_is_said(wflow, orders):
    orders.gives("GET", PLACE, [])
    ran = migrate(wflow, "--all")
    assert (ran.code, ran.out) == (0, "")
    assert "orders has no unfinished instances on another version." in ran.err


def test_programs_get_all_that_was_answered(wflow, orders):
    ran = migrate(wflow, "a", "d", "--json")
    assert ran.code == 1
    first, second = json.loads(ran.out)
    assert first == told("a")
    assert (second["id"], second["fits"], second["error"]["message"]) == ("d", False, "d runs charge-1")


@pytest.mark.parametrize("arguments", [[], ["a", "--all"]])
def test_it_wants_ids_or_all(wflow, orders, arguments):
    ran = migrate(wflow, *arguments)
    assert ran.code == 1
    assert "name the ids of instances, or say `--all`" in ran.err
    assert orders.asked == []


def test_a_runner_that_is_gone_ends_it_at_once(wflow, orders):
    ran = wflow("workflows", "instances", "migrate", "orders", "a", "b", "--local", "--port", "1")
    assert ran.code == 1
    assert "no dev session listens" in ran.err
