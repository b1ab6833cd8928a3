"""`/workers/scripts/{name}/versions`: what was taken in."""

from __future__ import annotations

import json

import pytest

from tests.server.small_host import problem, result
from wflow.errors import LoadError

PLACE = "/workers/scripts/shop/versions"


def upload(house, bundle=b"bundle", *, name="shop", **more):
    metadata = json.dumps({"digest": "sha256:abc", **more}).encode()
    files = {
        "metadata": (None, metadata, "application/json"),
        "bundle": ("bundle.tar.gz", bundle, "application/gzip"),
    }
    return house.api("POST", f"/workers/scripts/{name}/versions", files=files)


def test_an_upload_is_a_version_that_is_not_live(house):
    version = result(upload(house, message="try this", tag="candidate"))
    assert (version["id"], version["number"], version["author"]) == ("id-1", 1, "local")
    assert version["annotations"] == {
        "workers/message": "try this",
        "workers/tag": "candidate",
        "workers/triggered_by": "upload",
    }
    assert house.get("/workers/scripts") == []
    assert house.get("/workers/scripts/shop/deployments")["deployments"] == []


def test_versions_are_listed_newest_first_over_pages_or_all_that_can_be_live(house):
    for _ in range(30):
        result(upload(house))
    result(upload(house, name="blog"))

    def numbers(**query):
        return [one["number"] for one in house.get(PLACE, **query)["items"]]

    assert numbers() == list(range(30, 5, -1))
    assert numbers(page=2) == [5, 4, 3, 2, 1]
    assert numbers(page=4, per_page=4) == [18, 17, 16, 15]
    assert numbers(page=9) == []
    assert numbers(deployable="true") == list(range(30, 0, -1))
    info = house.api("GET", PLACE, params={"per_page": 7}).json()["result_info"]
    assert info == {"page": 1, "per_page": 7, "count": 7, "total_count": 30, "total_pages": 5}


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"per_page": "101"}, {"page": "x"}, {"deployable": "maybe"}]
)
def test_a_list_that_makes_no_sense_is_refused(house, query):
    result(upload(house))
    assert problem(house.api("GET", PLACE, params=query))[:2] == (400, 10026)


def test_a_version_is_shown_with_what_it_is_made_of(house):
    result(upload(house))
    found = house.get(f"{PLACE}/id-1")
    assert found["metadata"]["author_email"] == "local"
    assert found["resources"] == {
        "bindings": [
            {"type": "workflow", "name": "ORDERS", "workflow_name": "orders", "class_name": "Orders"},
            {"type": "kv_namespace", "name": "STOCK", "namespace_id": "shop-stock"},
            {"type": "plain_text", "name": "GREETING", "text": "hello"},
            {"type": "json", "name": "LIMITS", "json": {"most": 3}},
        ],
        "script": {
            "etag": house.host.described.digest,
            "handlers": ["fetch"],
            "named_handlers": [{"name": "Orders", "handlers": ["run"]}],
            "last_deployed_from": "wflow",
        },
        "script_runtime": {
            "usage_model": "standard",
            "python": "3.11",
            "wflow": "0.1.0",
            "compatibility_date": "2026-11-01",
        },
    }


def test_an_unknown_worker_and_an_unknown_version_are_not_found(house):
    assert problem(house.api("GET", "/workers/scripts/nobody/versions"))[:2] == (404, 10007)
    assert problem(house.api("GET", "/workers/scripts/nobody/versions/id-1"))[:2] == (404, 10007)
    result(upload(house))
    assert problem(house.api("GET", f"{PLACE}/id-9"))[:2] == (404, 100146)


def test_code_that_does_not_import_is_refused_with_its_traceback(house):
    house.host.refuses = LoadError("no module named x", trace="Traceback", file="src/worker.py", line=3)
    answer = upload(house)
    assert problem(answer) == (400, 10021, "no module named x")
    assert answer.json()["errors"][0]["trace"] == "Traceback"


def test_the_modules_of_another_kind_of_worker_are_refused_with_a_way_out(house):
    files = {"metadata": (None, b"{}", "application/json"), "index.js": ("index.js", b"", "text/javascript")}
    answer = house.api("POST", PLACE, files=files)
    assert problem(answer)[:2] == (400, 10026)
    assert "wflow versions upload" in answer.json()["errors"][0]["hint"]
    assert house.host.uploaded == []
