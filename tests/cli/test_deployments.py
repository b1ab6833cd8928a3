from __future__ import annotations

import json

import pytest

from tests.cli.shop import IDS, PLACE, deployment, gives, version

SHOP = ("--name", "shop")


def test_deployments_are_listed_the_newest_at_the_end(wflow, logged_in):
    newest = deployment((2, 10), (1, 90), trigger="deployment", message="slowly")
    gives(logged_in, [version(2, message="retry"), version(1, tag="v1")], newest, deployment((1, 100)))
    ran = wflow("deployments", "list", *SHOP)
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.split("\n\n")
    assert first.splitlines()[1:5] == [
        "Author:      ada",
        "Source:      Upload",
        "Message:     -",
        f"Version(s):  (100%) {IDS[1]}",
    ]
    assert f"Version(s):  (10%) {IDS[2]}" in second
    assert f"             (90%) {IDS[1]}" in second
    assert "                  Number:   2\n" in second
    assert "                  Tag:      v1" in second
    assert "                  Message:  retry" in second
    assert "Source:      Deployment" in second


def test_a_version_that_is_no_longer_kept_is_told_so(wflow, logged_in):
    gives(logged_in, [version(2)], deployment((2, 100)), deployment((1, 100)))
    ran = wflow("deployments", "list", *SHOP)
    assert f"(100%) {IDS[1]}\n                  no longer kept" in ran.out


def test_older_deployments_are_on_other_pages(wflow, logged_in):
    gives(logged_in, [version(1)], deployment((1, 100)))
    page = {"deployments": [deployment((1, 100))]}
    logged_in.gives("GET", f"{PLACE}/deployments", page, {"per_page": 1, "total_count": 3})
    ran = wflow("deployments", "list", *SHOP, "--page", "2", "--per-page", "1")
    assert ran.err == "Showing 1 of 3; `--page 3` goes on.\n"
    assert logged_in.asked[0].query == {"page": "2", "per_page": "1"}
    gives(logged_in, [version(1)])
    assert "No deployments found on page 9" in wflow("deployments", "list", *SHOP, "--page", "9").err
    assert "The Worker shop has no deployments" in wflow("deployments", "list", *SHOP).err


def test_the_status_is_the_deployment_that_is_live(wflow, logged_in):
    live = deployment((2, 100), trigger="rollback")
    gives(logged_in, [version(2), version(1)], live)
    ran = wflow("deployments", "status", *SHOP)
    assert ran.code == 0
    assert "Source:      Rollback" in ran.out
    assert f"(100%) {IDS[2]}" in ran.out
    assert logged_in.asked[0].query == {"page": "1", "per_page": "1"}
    assert json.loads(wflow("deployments", "status", *SHOP, "--json").out) == live
    assert json.loads(wflow("deployments", "list", *SHOP, "--json").out) == [live]


def test_a_worker_that_was_never_live_has_no_status(wflow, logged_in):
    gives(logged_in, [version(1)])
    ran = wflow("deployments", "status", *SHOP)
    assert (ran.code, ran.out) == (1, "")
    assert "error: the Worker shop has no deployments" in ran.err


@pytest.mark.parametrize(
    "command", [("deployments", "list"), ("deployments", "status"), ("versions", "list")]
)
def test_a_worker_that_is_not_there_is_told(wflow, logged_in, command):
    for noun in ("versions", "deployments"):
        logged_in.refuses("GET", f"{PLACE}/{noun}", 404, code=10007, message="there is no Worker 'shop' here")
    ran = wflow(*command, *SHOP)
    assert ran.code == 1
    assert "there is no Worker 'shop' here" in ran.err
