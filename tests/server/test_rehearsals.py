"""`.../versions/{id}/rehearsals`: how unfinished instances fit a version."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.engine.divergence import Divergence, Point, Verdict
from wflow.engine.outcome import Failure

PLACE = "/workers/scripts/shop/versions/id-1/rehearsals"


@pytest.fixture
def shop(house):
    """Have a version, and three instances."""
    house.run(house.host.upload("shop", b"", digest="", message="", author="me"))
    for id_ in "abc":
        house.run(house.host.play(id_))
    return house


def test_instances_are_told_with_the_verdict_on_each(shop):
    told = result(shop.api("POST", PLACE))
    assert (told["total"], told["cursor"]) == (7, None)
    assert [one["id"] for one in told["tried"]] == ["c", "b", "a"]
    assert told["tried"][0] == {
        "id": "c",
        "workflow_name": "orders",
        "version_id": "v1",
        "status": "running",
        "fits": True,
        "heard": 1,
        "recorded": 1,
        "error": None,
        "divergence": None,
    }
    assert shop.host.rehearsed == [("id-1", 100, None)]


def test_what_does_not_fit_is_told_with_journal_and_code(shop):
    parted = Divergence(
        cause="renamed",
        guess="it is called so now",
        recorded=Point(key="charge-1", kind="do", site="src/worker.py:3 here"),
        requested=Point(key="bill-1", kind="do", site="src/worker.py:4 there"),
        ways=["give it back its name"],
    )
    failure = Failure("NonDeterminismError", "they differ", trace="secret frames")
    shop.host.verdict = Verdict(heard=0, recorded=2, failure=failure, divergence=parted)
    one = result(shop.api("POST", PLACE))["tried"][0]
    assert (one["fits"], one["heard"], one["recorded"]) == (False, 0, 2)
    assert one["error"] == {"name": "NonDeterminismError", "message": "they differ"}
    assert one["divergence"]["requested"] == {"key": "bill-1", "kind": "do", "site": "src/worker.py:4 there"}
    assert one["divergence"]["ways"] == ["give it back its name"]


def test_a_sample_goes_on_by_its_cursor(shop):
    first = result(shop.api("POST", PLACE, params={"limit": 2}))
    assert [one["id"] for one in first["tried"]] == ["c", "b"]
    last = result(shop.api("POST", PLACE, params={"limit": "all", "cursor": first["cursor"]}))
    assert [one["id"] for one in last["tried"]] == ["a"]
    assert shop.host.rehearsed[1] == ("id-1", None, int(first["cursor"]))


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "10001"}, {"limit": "x"}, {"cursor": "x"}])
def test_a_wrong_query_is_refused(shop, query):
    assert problem(shop.api("POST", PLACE, params=query))[:2] == (400, 10026)
    assert shop.host.rehearsed == []


def test_a_version_that_is_not_there_is_told(shop):
    assert problem(shop.api("POST", PLACE.replace("id-1", "nope")))[0] == 404
