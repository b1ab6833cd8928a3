"""Cloudflare's own command line looks at versions of a Worker, rolls back, and splits the traffic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.stories.processes import World, wait_for
from tests.stories.wrangling import Wrangler, labelled, need_wrangler
from wflow.bundle.pack import pack
from wflow.config.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = ("--name", "shop")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("wrangler")).open_shop()


@pytest.fixture(scope="module")
def wrangler(shop: World) -> Iterator[Wrangler]:
    need_wrangler()
    with shop.runner() as runner:
        token = wait_for(runner.out.strip, "the first token")
        yield Wrangler.at(shop, runner, token)


@pytest.fixture(scope="module")
def ids(shop: World, wrangler: Wrangler) -> list[str]:
    """Have two versions deployed, the second one live."""
    made = []
    with wrangler.session.api(wrangler.environment["CLOUDFLARE_API_TOKEN"]) as api:
        for number in ("one", "two"):
            if number == "two":
                shop.edit("src/worker.py", 'VERSION = "one"', 'VERSION = "two"')
            packed = pack(load(path=shop.project / "wflow.toml"))
            version = api.scripts.deploy(
                "shop", packed.data, digest=packed.manifest.digest, message=number, tag=f"v-{number}"
            )
            made.append(str(version["id"]))
    return made


def test_versions_are_listed_and_one_is_viewed(wrangler: Wrangler, ids: list[str]):
    first, second = wrangler("versions", "list", *SHOP).strip().split("\n\n")
    seen = labelled(second)
    assert (labelled(first)["Version ID"], seen["Version ID"]) == (ids[0], ids[1])
    assert (seen["Author"], seen["Source"], seen["Tag"], seen["Message"]) == (
        "admin",
        "Upload",
        "v-two",
        "two",
    )
    listed = json.loads(wrangler("versions", "list", *SHOP, "--json"))
    assert [one["id"] for one in listed] == ids
    viewed = wrangler("versions", "view", ids[0], *SHOP)
    assert labelled(viewed)["Version ID"] == ids[0]
    assert labelled(viewed)["Handlers"] == "fetch"
    for binding in ("env.COUNTING (Counting)", "env.KV (shop-kv)", 'env.GREETING ("hello")'):
        assert binding in viewed


def test_the_traffic_is_split_and_rolled_back(wrangler: Wrangler, ids: list[str]):
    old, new = ids
    status = labelled(wrangler("deployments", "status", *SHOP))
    assert (status["Source"], status["Version(s)"]) == ("Upload", f"(100%) {new}")

    said = wrangler("versions", "deploy", f"{old}@90", f"{new}@10", *SHOP, "--message", "slowly")
    assert f"Deployed shop version {old} at 90% and version {new} at 10%" in said
    live = json.loads(wrangler("deployments", "status", *SHOP, "--json"))
    assert {one["version_id"]: one["percentage"] for one in live["versions"]} == {old: 90, new: 10}
    assert live["annotations"]["workers/message"] == "slowly"
    by_tag = wrangler("versions", "deploy", "--version-tag", "v-two@100", *SHOP)
    assert f"Deployed shop version {new} at 100%" in by_tag
    assert wrangler.session.ask("GET", "/version").text == "two"

    said = wrangler("rollback", old, *SHOP, "--message", "too slow", "--yes")
    assert f"Worker Version {old} has been deployed to 100% of traffic." in said
    assert wrangler.session.ask("GET", "/version").text == "one"
    said = wrangler("rollback", *SHOP)
    assert f"Current Version ID: {new}" in said, "by default to the one that was live before"
    assert wrangler.session.ask("GET", "/version").text == "two"

    listed = wrangler("deployments", "list", *SHOP)
    sources = [line.split()[1] for line in listed.splitlines() if line.startswith("Source:")]
    assert sources == ["Upload", "Upload", "Unknown", "Unknown", "Rollback", "Unknown"]
    assert f"(90%) {old}" in listed
    assert "Message:     too slow" in listed


def test_what_is_refused_is_said_with_its_number(wrangler: Wrangler, ids: list[str]):
    refused = wrangler.run("versions", "view", "nothing", *SHOP)
    assert refused.code == 1
    assert "the Worker 'shop' has no version 'nothing'" in refused.err
    assert "[code: 100146]" in refused.err
    refused = wrangler.run("deployments", "status", "--name", "nobody")
    assert refused.code == 1
    assert "[code: 10007]" in refused.err
