"""Pages of instances."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.engine.facts import Moved

ORDERS = "/workflows/orders/instances"


@pytest.fixture
def ten(house):
    """Ten instances, i0 to i9, one a second from 12:00:01 on; i0 to i2 are complete."""
    for n in range(10):
        result(house.api("POST", ORDERS, json={"id": f"i{n}"}))
    result(house.api("POST", "/workflows/returns/instances", json={"id": "other"}))
    for n in range(3):
        house.run(house.host.play(f"i{n}", Moved("complete", 5)))
    return house


def ids(house, **query):
    return [one["id"] for one in house.get(ORDERS, **query)]


def test_instances_come_newest_first(ten):
    assert ids(ten) == [f"i{n}" for n in reversed(range(10))]
    assert ids(ten, direction="asc") == [f"i{n}" for n in range(10)]


def test_an_instance_in_a_list_has_cloudflares_keys(ten):
    first = ten.get(ORDERS, direction="asc")[0]
    assert (first["id"], first["status"], first["workflow_id"], first["version_id"]) == (
        "i0",
        "complete",
        "orders",
        "v1",
    )
    assert first["created_on"] == "2026-11-22T12:00:01.000Z"
    assert (first["trigger_source"], first["ended_on"]) == ("api", "1970-01-01T00:00:00.005Z")


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("per_page", [1, 3, 5, 9, 10, 11])
def test_a_cursor_leads_through_all_of_them_and_ends(ten, direction, per_page):
    seen, query = [], {"direction": direction, "per_page": per_page}
    while True:
        body = ten.api("GET", ORDERS, params=query).json()
        seen += [one["id"] for one in body["result"]]
        assert body["result_info"]["count"] == len(body["result"]) <= per_page
        if body["result_info"]["cursor"] is None:
            break
        query["cursor"] = body["result_info"]["cursor"]
    assert sorted(seen) == [f"i{n}" for n in range(10)]


def test_a_cursor_holds_while_new_ones_are_created(ten):
    first = ten.api("GET", ORDERS, params={"per_page": 4}).json()
    result(ten.api("POST", ORDERS, json={"id": "new"}))
    assert ids(ten, per_page=4, cursor=first["result_info"]["cursor"]) == ["i5", "i4", "i3", "i2"]


def test_pages_may_be_numbered(ten):
    assert ids(ten, per_page=4, page=1) == ["i9", "i8", "i7", "i6"]
    assert ids(ten, per_page=4, page=3) == ["i1", "i0"]
    assert ids(ten, per_page=4, page=4) == []
    assert ids(ten, per_page=100, page=2**61) == []
    assert ids(ten, per_page=4, page=2, direction="asc") == ["i4", "i5", "i6", "i7"]


def test_a_status_is_listed_and_counted_by_itself(ten):
    body = ten.api("GET", ORDERS, params={"status": "complete", "per_page": 2}).json()
    assert [one["id"] for one in body["result"]] == ["i2", "i1"]
    assert body["result_info"]["total_count"] == 3
    assert ids(ten, status="paused") == []
    assert ten.api("GET", ORDERS).json()["result_info"]["total_count"] == 10


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (("12:00:03", "12:00:05"), {"i2", "i3", "i4"}),
        (("12:00:03.001", "12:00:04.999"), {"i3"}),
        (("12:00:10", None), {"i9"}),
        ((None, "12:00:01"), {"i0"}),
        ((None, "11:00:00"), set()),
        (("13:00:00", None), set()),
        (("12:00:05", "12:00:03"), set()),
        (("11:00:00", "13:00:00"), {f"i{n}" for n in range(10)}),
    ],
)
def test_instances_are_listed_between_two_instants(ten, direction, between, expected):
    (start, end), query = between, {"direction": direction}
    if start:
        query["date_start"] = f"2026-11-22T{start}Z"
    if end:
        query["date_end"] = f"2026-11-22T{end}Z"
    seen = []
    while True:
        body = ten.api("GET", ORDERS, params={**query, "per_page": 2}).json()
        seen += [one["id"] for one in body["result"]]
        query["cursor"] = body["result_info"]["cursor"]
        if query["cursor"] is None:
            break
    assert (set(seen), len(seen)) == (expected, len(expected))
    assert "total_count" not in body["result_info"]


def test_instants_of_an_empty_workflow_find_nothing(house):
    assert ids(house, date_start="10m", date_end="1m") == []


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "1", "page": "1"},
        {"cursor": "x"},
        {"cursor": "-1"},
        {"cursor": "9" * 19},
        {"page": "0"},
        {"page": "402", "tag": "vip"},
        {"per_page": "0"},
        {"per_page": "101"},
        {"status": "lost"},
        {"direction": "up"},
        {"date_start": "yesterday"},
    ],
)
def test_a_page_that_cannot_be_is_refused(house, query):
    assert problem(house.api("GET", ORDERS, params=query))[:2] == (400, 10026)
