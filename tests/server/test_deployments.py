"""`/workers/scripts/{name}/deployments`: what is live."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.errors import InvalidInput, VersionNotFound

PLACE = "/workers/scripts/shop/deployments"


@pytest.fixture
def two(house):
    """Have a Worker with two versions, none of them live."""
    for _ in range(2):
        upload = house.host.upload("shop", b"", digest="", message="", author="me")
        house.run(upload)
    return house


def wish(*shares, **more):
    versions = [{"version_id": version, "percentage": share} for version, share in shares]
    return {"strategy": "percentage", "versions": versions, **more}


def test_a_deployment_is_made_and_answers_as_cloudflare_does(two):
    said = {"workers/message": "slowly", "workers/triggered_by": "rollback"}
    made = result(two.api("POST", PLACE, json=wish(("id-2", 10), ("id-1", 90.0), annotations=said)))
    assert made == {
        "id": "deployment-1",
        "source": "api",
        "strategy": "percentage",
        "author_email": "local",
        "created_on": made["created_on"],
        "annotations": said,
        "versions": [{"version_id": "id-2", "percentage": 10}, {"version_id": "id-1", "percentage": 90}],
    }
    assert two.get(f"{PLACE}/deployment-1") == made


def test_what_wranglers_requests_have_beside_that_is_taken(two):
    body = wish(("id-1", 100), annotations={"workers/message": None}, code_update_strategy={"mode": "x"})
    made = result(two.api("POST", f"{PLACE}?force=true", json=body))
    assert made["annotations"] == {"workers/triggered_by": "deployment"}


def test_deployments_are_listed_newest_first_over_pages(two):
    for _ in range(13):
        result(two.api("POST", PLACE, json=wish(("id-1", 100))))

    def ids(**query):
        return [one["id"] for one in two.get(PLACE, **query)["deployments"]]

    assert ids() == [f"deployment-{number}" for number in range(13, 3, -1)]
    assert ids(page=2) == ["deployment-3", "deployment-2", "deployment-1"]
    assert ids(page=3) == []
    assert ids(per_page=1) == ["deployment-13"]
    fifth = two.get(f"{PLACE}/deployment-5")["created_on"]
    assert ids(since=fifth, until=fifth) == ["deployment-5"]
    assert ids(since=fifth, per_page=100)[-1] == "deployment-5"
    assert ids(until=fifth)[0] == "deployment-5"


def test_a_page_lies_under_both_names_that_cloudflares_clients_look_for(two):
    result(two.api("POST", PLACE, json=wish(("id-1", 100))))
    page = two.get(PLACE)
    assert page["items"] == [{"deployments": page["deployments"]}]
    assert two.get(PLACE, page=2)["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"strategy": "percentage"},
        {"strategy": "all", "versions": []},
        wish((1, 100)),
        wish(("id-1", "100")),
        wish(("id-1", None)),
        wish(("id-1", True)),
        wish(("", 100)),
        wish(*[("id-1", 1)] * 101),
        wish(("id-1", 100), annotations=[]),
        wish(("id-1", 100), annotations={"workers/message": "m" * 1_001}),
        wish(("id-1", 100), annotations={"workers/triggered_by": "chance"}),
        {**wish(("id-1", 100)), "versions": {"id-1": 100}},
    ],
)
def test_a_body_that_is_malformed_deploys_nothing(two, body):
    assert problem(two.api("POST", PLACE, json=body))[:2] == (400, 10026)
    assert two.host.released == []


def test_what_is_no_json_or_no_flag_deploys_nothing(two):
    assert problem(two.api("POST", PLACE, content=b"{"))[:2] == (400, 10026)
    assert problem(two.api("POST", f"{PLACE}?force=perhaps", json=wish(("id-1", 100))))[:2] == (400, 10026)
    assert two.host.released == []


def test_what_the_runner_refuses_is_told(two):
    two.host.refuses = InvalidInput("the shares make 99 percent")
    assert problem(two.api("POST", PLACE, json=wish(("id-1", 99)))) == (
        400,
        10026,
        "the shares make 99 percent",
    )
    two.host.refuses = VersionNotFound("no such version")
    assert problem(two.api("POST", PLACE, json=wish(("id-9", 100))))[:2] == (404, 100146)


def test_an_unknown_worker_and_an_unknown_deployment_are_not_found(two):
    assert problem(two.api("GET", "/workers/scripts/nobody/deployments"))[:2] == (404, 10007)
    assert problem(two.api("GET", f"{PLACE}/deployment-9"))[:2] == (404, 19004)
