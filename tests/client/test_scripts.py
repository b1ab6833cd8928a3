"""What is asked of Workers, against the real API."""

from __future__ import annotations

import pytest

from wflow.client.api import Remote, connect
from wflow.errors import RunnerError


@pytest.fixture
def scripts(live):
    with connect(Remote(url=live.url)) as asking:
        yield asking.scripts


def test_an_upload_is_not_live_until_it_is_released(scripts):
    first = scripts.upload("shop", b"bundle", digest="sha256:1", message="first", tag="v1")
    assert (first["number"], first["message"], first["tag"]) == (1, "first", "v1")
    assert scripts.list() == []
    assert scripts.deployments("shop").items == []
    made = scripts.release("shop", {first["id"]: 100}, message="now", trigger="upload")
    assert made["annotations"] == {"workers/message": "now", "workers/triggered_by": "upload"}
    assert [one["id"] for one in scripts.list()] == ["shop"]
    assert scripts.version("shop", first["id"])["resources"]["script"]["handlers"] == ["fetch"]


def test_all_versions_are_listed_and_deployments_page_by_page(scripts):
    ids = [scripts.deploy("shop", b"", digest="sha256:1")["id"] for _ in range(30)]
    assert [one["id"] for one in scripts.versions("shop")] == ids[::-1]
    page = scripts.deployments("shop", page=2, per_page=20)
    assert [one["versions"][0]["version_id"] for one in page.items] == ids[9::-1]
    assert page.info["total_count"] == 30


def test_two_versions_are_released_with_their_shares(scripts):
    old, new = (scripts.upload("shop", b"", digest="sha256:1")["id"] for _ in range(2))
    made = scripts.release("shop", {new: 12.5, old: 87.5})
    assert [(one["version_id"], one["percentage"]) for one in made["versions"]] == [(new, 12.5), (old, 87.5)]
    assert made["annotations"] == {"workers/triggered_by": "deployment"}


def test_a_version_is_tried_on_unfinished_instances(live, scripts):
    version = scripts.upload("shop", b"", digest="sha256:1")["id"]
    for id_ in "ab":
        live.run(live.host.play(id_))
    told = scripts.rehearse("shop", version, limit=1)
    assert ([one["id"] for one in told["tried"]], told["total"]) == (["b"], 7)
    told = scripts.rehearse("shop", version, cursor=told["cursor"])
    assert ([one["id"] for one in told["tried"]], told["cursor"]) == (["a"], None)
    assert [limit for _, limit, _ in live.host.rehearsed] == [1, None]


def test_what_is_not_there_is_told(scripts):
    for ask in (scripts.versions, scripts.deployments):
        with pytest.raises(RunnerError) as caught:
            ask("nobody")
        assert (caught.value.status, caught.value.number) == (404, 10007)
