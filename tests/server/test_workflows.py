"""`/workflows`."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, workflow
from wflow.engine import status, values
from wflow.engine.facts import Moved


def test_a_workflow_is_shown_with_its_instances_per_status(house):
    house.run(house.host.play("a", Moved("complete", 5, values.encode(1))))
    house.api("POST", "/workflows/orders/instances")
    told = house.get("/workflows/orders")
    assert (told["id"], told["name"], told["script_name"], told["class_name"]) == (
        "orders",
        "orders",
        "shop",
        "Orders",
    )
    assert told["instances"] == {**dict.fromkeys(status.ALL, 0), "complete": 1, "queued": 1}
    assert told["created_on"] == "2026-11-22T12:00:00.000Z"
    assert told["triggered_on"] > told["created_on"]


def test_a_workflow_that_nobody_triggered_says_so(house):
    told = house.get("/workflows/orders")
    assert told["triggered_on"] is None
    assert set(told["instances"].values()) == {0}


def test_limits_are_shown(house):
    house.host.registered = [workflow("orders", concurrency=50, step_limit=20)]
    told = house.get("/workflows/orders")
    assert (told["concurrency"], told["limits"]) == ({"limit": 50}, {"steps": 20})


def test_workflows_are_listed_page_by_page(house):
    house.host.registered = [workflow(f"w{n}") for n in range(5)]
    body = house.api("GET", "/workflows", params={"page": 2, "per_page": 2}).json()
    assert [one["name"] for one in body["result"]] == ["w2", "w3"]
    assert body["result_info"] == {"page": 2, "per_page": 2, "count": 2, "total_count": 5, "total_pages": 3}
    assert house.get("/workflows", page=9) == []


def test_workflows_are_found_by_a_part_of_their_name(house):
    assert [one["name"] for one in house.get("/workflows", search="TURN")] == ["returns"]
    assert house.get("/workflows", search="%") == []


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"page": "x"}, {"per_page": "101"}, {"search": "x" * 1_001}]
)
def test_a_page_that_cannot_be_is_refused(house, query):
    assert problem(house.api("GET", "/workflows", params=query))[:2] == (400, 10026)


def test_the_versions_that_have_a_workflow_are_listed_newest_first(house):
    house.host.registered = [workflow("orders", version="id-3"), workflow("returns")]
    for digest in "abc":
        house.run(house.host.deploy("shop", b"", digest=digest, message="", author="ci"))
    listed = house.get("/workflows/orders/versions")
    assert [one["id"] for one in listed] == ["id-3", "id-2", "id-1"]
    assert [one.get("class_name") for one in listed] == ["Orders", None, None]
    assert listed[0]["created_on"] > listed[1]["created_on"] > listed[2]["created_on"]
    assert house.get("/workflows/returns/versions") == [], "the versions have only orders"


def test_versions_of_a_workflow_are_listed_page_by_page(house):
    for digest in "abc":
        house.run(house.host.deploy("shop", b"", digest=digest, message="", author="ci"))
    body = house.api("GET", "/workflows/orders/versions", params={"page": 2, "per_page": 2}).json()
    assert [one["id"] for one in body["result"]] == ["id-1"]
    assert body["result_info"]["total_count"] == 3


def test_a_workflow_that_is_not_there_is_not_found(house):
    assert problem(house.api("GET", "/workflows/nobody"))[:2] == (404, 10200)
    assert problem(house.api("GET", "/workflows/nobody/versions"))[:2] == (404, 10200)
    assert problem(house.api("GET", "/workflows/nobody/instances"))[:2] == (404, 10200)


def test_a_workflow_is_shown_with_its_limits(house):
    house.host.registered[0] = workflow(
        "orders",
        concurrency=50,
        concurrency_key="customer.id",
        per_key=2,
        start_rate=300.0,
        creation_rate=0.5,
    )
    shown = house.get("/workflows/orders")
    assert shown["concurrency"] == {"limit": 50, "key": "customer.id", "per_key": 2, "rate": "300/s"}
    assert shown["limits"] == {"steps": 10_000, "creations": "30/min"}
    plain = house.get("/workflows/returns")
    assert (plain["concurrency"], plain["limits"]) == (None, {"steps": 10_000})
