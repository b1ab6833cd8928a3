"""Every method, against the real API."""

from __future__ import annotations

import pytest

from wflow.client.api import Remote, connect
from wflow.errors import RunnerError


@pytest.fixture
def asking(live):
    with connect(Remote(url=live.url)) as asking:
        yield asking


def test_workflows_are_listed_and_got(asking):
    listed = asking.workflows.list(per_page=1, page=2)
    assert [one["name"] for one in listed.items] == ["returns"]
    assert listed.info["total_count"] == 2
    assert [one["name"] for one in asking.workflows.list(search="ord").items] == ["orders"]
    assert asking.workflows.get("orders")["class_name"] == "Orders"


def test_an_instance_lives_its_life(asking):
    made = asking.instances.create("orders", {"n": 1}, id_="a")
    assert (made["id"], made["status"]) == ("a", "queued")
    told = asking.instances.get("orders", "latest", order="desc")
    assert (told["id"], told["params"], told["steps"]) == ("a", {"n": 1}, [])
    assert "steps" not in asking.instances.get("orders", "a", simple=True)
    asking.instances.send_event("orders", "a", "paid", {"by": "card"})
    assert asking.instances.steer("orders", "a", "terminate")["status"] == "terminated"
    assert asking.instances.restart("orders", "latest")["instanceId"] == "a"
    assert asking.instances.delete("orders", "a")["instanceId"] == "a"
    with pytest.raises(RunnerError) as caught:
        asking.instances.get("orders", "a")
    assert (caught.value.status, caught.value.number) == (404, 10400)


def test_no_params_and_none_are_not_the_same(asking):
    asking.instances.create("orders", id_="a")
    asking.instances.create("orders", None, id_="b")
    assert asking.instances.get("orders", "a")["params"] == {}
    assert asking.instances.get("orders", "b")["params"] is None


def test_instances_are_created_in_batches_and_listed_in_pages(asking):
    made = asking.instances.create_batch("orders", [{"instance_id": f"i{n}"} for n in range(5)])
    assert len(made) == 5
    first = asking.instances.list("orders", per_page=3, direction="asc", status="queued")
    then = asking.instances.list("orders", per_page=3, direction="asc", cursor=first.info["cursor"])
    assert [one["id"] for one in first.items + then.items] == [f"i{n}" for n in range(5)]
    assert asking.instances.list("orders", page=2).items == []
    assert asking.instances.list("orders", date_start="2999-01-01").items == []


def test_a_bundle_is_deployed_and_its_versions_listed(asking):
    bundle = bytes(range(256)) * 1_000
    version = asking.scripts.deploy("shop", bundle, digest="sha256:1", message="first ü")
    assert (version["number"], version["size_bytes"], version["message"]) == (1, len(bundle), "first ü")
    assert asking.scripts.versions("shop") == [version]
    assert asking.scripts.deployments("shop").items[0]["versions"][0]["version_id"] == version["id"]
    assert [one["id"] for one in asking.scripts.list()] == ["shop"]


def test_tokens_are_made_and_revoked(asking):
    made = asking.tokens.create("ci", "deploy")
    assert made["token"].startswith("wf_")
    assert [one["name"] for one in asking.tokens.list()] == ["ci"]
    assert asking.tokens.revoke("ci")["id"] == made["id"]
    assert asking.tokens.list() == []


def test_one_can_ask_who_one_is(asking):
    assert asking.verify()["scope"] == "admin"


def test_an_account_that_is_not_there_is_told(live):
    with connect(Remote(url=live.url, account="acme")) as asking, pytest.raises(RunnerError) as caught:
        asking.workflows.list()
    assert (caught.value.status, caught.value.number) == (404, 7003)
