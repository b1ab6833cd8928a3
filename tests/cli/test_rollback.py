from __future__ import annotations

import io
import json
import sys

import pytest

from tests.cli.shop import IDS, PLACE, deployment, gives, version, wished

SHOP = ("--name", "shop")
ALL = [version(3), version(2), version(1)]


@pytest.fixture
def rolling(logged_in):
    """A runner that takes whatever is deployed."""
    logged_in.gives("POST", f"{PLACE}/deployments", deployment((1, 100), trigger="rollback"))
    return logged_in


def goes_to(rolling) -> int:
    (one,) = wished(rolling)["versions"]
    assert one["percentage"] == 100
    return next(number for number, id_ in IDS.items() if id_ == one["version_id"])


def test_the_version_before_the_live_one_is_live_again(wflow, rolling):
    gives(rolling, ALL, deployment((3, 100)), deployment((2, 100)), deployment((1, 100)))
    ran = wflow("rollback", *SHOP)
    assert ran.code == 0, ran.err
    assert goes_to(rolling) == 2
    assert wished(rolling)["annotations"] == {
        "workers/message": "Rollback",
        "workers/triggered_by": "rollback",
    }
    assert ran.out == (
        f"Worker Version {IDS[2]} (number 2) has been deployed to 100% of traffic.\n"
        f"Current Version ID: {IDS[2]}\n"
    )
    assert "Why this rollback? Rollback, as there is no terminal to ask on." in ran.err
    assert "Deploy this version to 100% of the traffic? Yes, as there is no terminal" in ran.err
    assert "Instances that have begun stay on the version they began with." in ran.err


@pytest.mark.parametrize(
    ("made", "number"),
    [
        ([deployment((3, 10), (2, 90)), deployment((2, 100))], 2),
        ([deployment((2, 100)), deployment((2, 100)), deployment((1, 100))], 1),
        ([deployment((3, 100)), deployment((3, 50), (2, 50)), deployment((2, 100))], 2),
        ([deployment((2, 100), trigger="rollback"), deployment((3, 100)), deployment((2, 100))], 3),
    ],
)
def test_the_one_before_had_all_of_the_traffic_and_is_another_one(wflow, rolling, made, number):
    gives(rolling, ALL, *made)
    assert wflow("rollback", *SHOP, "--yes").code == 0
    assert goes_to(rolling) == number


def test_one_that_is_no_longer_kept_is_passed_over(wflow, rolling):
    gives(rolling, [version(3), version(1)], deployment((3, 100)), deployment((2, 100)), deployment((1, 100)))
    assert wflow("rollback", *SHOP, "--yes").code == 0
    assert goes_to(rolling) == 1


def test_a_version_and_a_reason_may_be_named(wflow, rolling):
    gives(rolling, ALL, deployment((3, 100)))
    ran = wflow("rollback", "11aa", *SHOP, "-m", "payments fail", "-y", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["versions"] == [{"version_id": IDS[1], "percentage": 100}]
    assert goes_to(rolling) == 1
    assert wished(rolling)["annotations"]["workers/message"] == "payments fail"


@pytest.mark.parametrize("made", [[], [deployment((3, 100))], [deployment((3, 100)), deployment((3, 100))]])
def test_without_an_earlier_version_nothing_is_done(wflow, rolling, made):
    gives(rolling, ALL, *made)
    ran = wflow("rollback", *SHOP, "-y")
    assert ran.code == 1
    assert "error: there is no earlier version to go back to" in ran.err
    assert {asked.method for asked in rolling.asked} == {"GET"}


def test_what_is_live_already_is_not_rolled_back_to(wflow, rolling):
    gives(rolling, ALL, deployment((3, 100)), deployment((2, 100)))
    ran = wflow("rollback", "3", *SHOP, "-y")
    assert ran.code == 1
    assert "is live already, with all of the traffic" in ran.err
    assert {asked.method for asked in rolling.asked} == {"GET"}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("case", [("broken\ny\n", 0), ("broken\n\n", 130), ("\nn\n", 130)])
def test_at_a_terminal_one_is_asked_for_a_reason_and_a_yes(wflow, rolling, monkeypatch, case):
    typed, code = case
    gives(rolling, ALL, deployment((3, 100)), deployment((2, 100)))
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert wflow("rollback", *SHOP).code == code
    if code == 0:
        assert wished(rolling)["annotations"]["workers/message"] == "broken"
    else:
        assert {asked.method for asked in rolling.asked} == {"GET"}
