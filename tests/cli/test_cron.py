from __future__ import annotations

import json

import pytest

from tests.cli.shop import PLACE

SHOP = ("--name", "shop")
HOURLY = {"cron": "0 * * * *", "created_on": None, "modified_on": None, "next_on": "2026-11-22T13:00:00.000Z"}
NIGHTLY = {**HOURLY, "cron": "0 3 * * *", "workflow": "nightly"}


def test_schedules_are_listed_with_what_they_fire_and_when(wflow, logged_in):
    logged_in.gives("GET", f"{PLACE}/schedules", {"schedules": [HOURLY, NIGHTLY]})
    ran = wflow("cron", "list", *SHOP)
    assert (ran.code, ran.err) == (0, "")
    assert [line.split()[:2] for line in ran.out.splitlines() if "*" in line] == [["0", "*"], ["0", "3"]]
    assert "scheduled()" in ran.out
    assert "nightly" in ran.out
    assert json.loads(wflow("cron", "list", *SHOP, "--json").out) == [HOURLY, NIGHTLY]


def test_a_worker_without_any_is_told(wflow, logged_in):
    logged_in.gives("GET", f"{PLACE}/schedules", {"schedules": []})
    assert "shop has no crons and no schedules" in wflow("cron", "list", *SHOP).err


def test_one_is_fired_by_hand(wflow, logged_in):
    logged_in.gives("POST", f"{PLACE}/schedules/run", {"cron": "0 * * * *", "outcome": "ok"})
    ran = wflow("cron", "run", *SHOP)
    assert (ran.code, ran.err) == (0, '"0 * * * *": scheduled() is done.\n')
    assert logged_in.asked[0].json == {}


def test_a_workflows_schedule_is_fired_for_an_instant(wflow, logged_in):
    told = {"cron": "0 3 * * *", "outcome": "ok", "id": "0 3 * * *-1795399200000"}
    logged_in.gives("POST", f"{PLACE}/schedules/run", told)
    asked = ("0 3 * * *", "--workflow", "nightly", "--time", "2026-11-23T03:00:00Z")
    ran = wflow("cron", "run", *asked, *SHOP)
    assert "created instance '0 3 * * *-1795399200000' of nightly" in ran.err
    assert logged_in.asked[0].json == {"cron": "0 3 * * *", "workflow": "nightly", "time": 1_795_402_800_000}
    assert json.loads(wflow("cron", "run", *asked, *SHOP, "--json").out) == told


def test_a_handler_that_fails_fails_the_command(wflow, logged_in):
    error = {"name": "ValueError", "message": "no such table"}
    told = {"cron": "0 * * * *", "outcome": "exception", "error": error}
    logged_in.gives("POST", f"{PLACE}/schedules/run", told)
    ran = wflow("cron", "run", *SHOP)
    assert (ran.code, ran.out) == (1, "")
    assert "scheduled() failed: ValueError: no such table" in ran.err
    ran = wflow("cron", "run", *SHOP, "--json")
    assert (ran.code, json.loads(ran.out)) == (1, told)


@pytest.mark.parametrize("time", ["noon", "", "2026-13-01"])
def test_a_time_that_is_none_is_told(wflow, logged_in, time):
    ran = wflow("cron", "run", "--time", time, *SHOP)
    assert ran.code == 1
    assert f"`--time {time}` is no time" in ran.err
    assert logged_in.asked == []
