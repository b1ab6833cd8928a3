"""`.../instances/{id}/migrate`: an instance on another version."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.engine.divergence import Verdict
from wflow.engine.outcome import Failure
from wflow.errors import WrongMove
from wflow.wire.types import Wanted

PLACE = "/workflows/orders/instances/a/migrate"
MISFIT = Verdict(heard=0, recorded=1, failure=Failure("NonDeterminismError", "they differ"))


@pytest.fixture
def shop(house):
    """Have an instance."""
    house.run(house.host.create("orders", [Wanted(id="a")], trigger="api"))
    return house


def version(shop):
    return shop.get("/workflows/orders/instances/a")["versionId"]


def test_an_instance_that_fits_is_moved_to_the_current_version(shop):
    told = result(shop.api("POST", PLACE))
    assert (told["migrated"], told["fits"], told["version_id"]) == (True, True, "v2")
    assert version(shop) == "v2"


def test_or_to_the_one_that_is_named(shop):
    assert result(shop.api("POST", PLACE, json={"version": "v9"}))["version_id"] == "v9"
    assert version(shop) == "v9"


def test_one_that_is_there_already_has_not_moved(shop):
    told = result(shop.api("POST", PLACE, json={"version": "v1"}))
    assert (told["migrated"], told["fits"]) == (False, True)


def test_one_that_does_not_fit_stays_and_it_is_said_why(shop):
    shop.host.verdict = MISFIT
    told = result(shop.api("POST", PLACE))
    assert (told["migrated"], told["fits"], told["version_id"]) == (False, False, "v1")
    assert told["error"] == {"name": "NonDeterminismError", "message": "they differ"}


def test_a_dry_run_moves_nothing(shop):
    told = result(shop.api("POST", PLACE, json={"dry_run": True}))
    assert (told["migrated"], told["fits"], told["version_id"]) == (False, True, "v1")
    assert version(shop) == "v1"


def test_the_newest_one_can_be_named_so(shop):
    assert result(shop.api("POST", PLACE.replace("/a/", "/latest/")))["id"] == "a"


@pytest.mark.parametrize("body", [{"version": 3}, {"dry_run": "yes"}, {"to": "v2"}, []])
def test_a_body_that_says_something_else_is_refused(shop, body):
    assert problem(shop.api("POST", PLACE, json=body))[:2] == (400, 10026)
    assert version(shop) == "v1"


def test_what_the_runner_refuses_is_told(shop):
    shop.host.refuses = WrongMove("(instance.cannot_migrate) it runs")
    assert problem(shop.api("POST", PLACE)) == (409, 10402, "(instance.cannot_migrate) it runs")
    assert problem(shop.api("POST", PLACE.replace("/a/", "/b/")))[0] == 404
