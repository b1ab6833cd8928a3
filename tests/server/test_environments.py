"""`/workers/environments`: what a runner installs for a version."""

from __future__ import annotations

import pytest

from tests.server.small_host import Installation, problem, result
from wflow.errors import LoadError

PLACE = "/workers/environments"


def test_what_needs_nothing_is_ready_at_once(house):
    told = result(house.api("POST", PLACE, json={"requirements": ["wflow-toolkit"]}))
    assert told == {"id": None, "state": "ready", "lines": [], "next": 0}


def test_an_installation_is_followed_line_by_line_to_its_end(house):
    under_way = house.host.environments.known["httpx"] = Installation("one", "two")
    told = result(house.api("POST", PLACE, json={"requirements": ["httpx"]}))
    assert told == {"id": "httpx", "state": "installing", "lines": ["one", "two"], "next": 2}
    under_way.lines.append("three")
    assert house.get(f"{PLACE}/httpx", after=2)["lines"] == ["three"]
    under_way.over.set()
    told = house.get(f"{PLACE}/httpx", after=3)
    assert told == {"id": "httpx", "state": "ready", "lines": [], "next": 3}


def test_of_lines_that_are_gone_the_others_are_told(house):
    house.host.environments.known["httpx"] = Installation("eight", "nine", first=7)
    assert house.get(f"{PLACE}/httpx", after=3) == {
        "id": "httpx",
        "state": "installing",
        "lines": ["eight", "nine"],
        "next": 9,
    }


def test_one_that_failed_says_why(house):
    failed = house.host.environments.known["httpx"] = Installation("no")
    failed.failed = LoadError("the packages of the project cannot be installed")
    failed.over.set()
    told = house.get(f"{PLACE}/httpx")
    assert (told["state"], told["error"]) == ("failed", "the packages of the project cannot be installed")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "must be an array of strings"),
        ({"requirements": "httpx"}, "must be an array of strings"),
        ({"requirements": [1]}, "must be an array of strings"),
        ({"requirements": ["two words"]}, "is no requirement"),
        ({"requirements": ["--index-url x"]}, "is no requirement"),
        ({"requirements": ["lib @ file:///etc"]}, "cannot get it"),
        ({"requirements": ["a"] * 501}, "may have 500"),
        ({"packages": []}, "unknown key 'packages'"),
    ],
)
def test_what_makes_no_sense_installs_nothing(house, body, said):
    status, _, message = problem(house.api("POST", PLACE, json=body))
    assert (status, said in message) == (400, True), message


def test_one_that_was_never_begun_is_told(house):
    assert problem(house.api("GET", f"{PLACE}/nobody"))[0] == 404
