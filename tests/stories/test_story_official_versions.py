"""Cloudflare's own client for Python reads versions and deployments of a runner, and makes them."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stories.processes import PLAIN, Process, World, wait_for
from wflow.bundle.pack import pack
from wflow.config.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

HERE: dict[str, Any] = {"account_id": "local"}
SHOP: dict[str, Any] = {**HERE, "script_name": "shop"}
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def cloudflare() -> ModuleType:
    # By its name: it is too big for the type checker to read, and for a collection to wait for.
    return importlib.import_module("cloudflare")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Have a runner with three versions of a Worker, of which the last one is live."""
    world = World(tmp_path_factory.mktemp("official")).open_shop()
    with world.runner() as runner:
        runner.token = wait_for(runner.out.strip, "the first token")
        with runner.api(runner.token) as api:
            for number in range(1, 4):
                world.edit("wflow.toml", "[vars]\n", f"[vars]\nNUMBER_{number} = {number}\n")
                packed = pack(load(path=world.project / "wflow.toml"))
                said = {"digest": packed.manifest.digest, "message": f"number {number}", "tag": f"v{number}"}
                api.scripts.deploy("shop", packed.data, **said)
        yield runner


@pytest.fixture(scope="module")
def scripts(cloudflare: ModuleType, runner: Process) -> Iterator[Any]:
    """Give `workers.scripts` of a client that raises an error for an answer that breaks its types."""
    with cloudflare.Cloudflare(
        base_url=f"{runner.url}/client/v4",
        api_token=runner.token,
        max_retries=0,
        http_client=httpx.Client(**PLAIN),
        _strict_response_validation=True,
    ) as client:
        yield client.workers.scripts


def test_versions_are_listed_over_pages_and_one_is_looked_at(scripts):
    listed = list(scripts.versions.list(**SHOP, per_page=2))
    assert [one.number for one in listed] == [3, 2, 1]
    assert [one.metadata.author_email for one in listed] == ["admin"] * 3
    assert listed[0].metadata.source == "api"
    assert [one.id for one in scripts.versions.list(**SHOP, deployable=True).result.items] == [
        one.id for one in listed
    ]
    # Raw, because pydantic can make nothing of their type of a version's bindings, whoever answers.
    version = scripts.versions.with_raw_response.get(listed[0].id, **SHOP).json()["result"]
    assert (version["id"], version["number"]) == (listed[0].id, 3)
    assert [one["name"] for one in version["resources"]["bindings"]][:2] == ["COUNTING", "GATED"]


def test_two_versions_are_made_live_and_one_again(scripts):
    new, middle, _old = (one.id for one in scripts.versions.list(**SHOP))
    shares = [{"version_id": middle, "percentage": 90}, {"version_id": new, "percentage": 10}]
    made = scripts.deployments.create(
        **SHOP, strategy="percentage", versions=shares, annotations={"workers_message": "slowly"}, force=True
    )
    assert [(one.version_id, one.percentage) for one in made.versions] == [(new, 10), (middle, 90)]
    assert (made.strategy, made.source, made.author_email) == ("percentage", "api", "admin")
    assert (made.annotations.workers_message, made.annotations.workers_triggered_by) == (
        "slowly",
        "deployment",
    )
    assert abs(datetime.now(UTC) - made.created_on) < DAY
    assert scripts.deployments.get(made.id, **SHOP) == made

    whole = [{"version_id": middle, "percentage": 100}]
    back = scripts.deployments.create(**SHOP, strategy="percentage", versions=whole)
    assert back.annotations.workers_triggered_by == "rollback"
    (page,) = list(scripts.deployments.list(**SHOP))
    assert [one.id for one in page.deployments][:2] == [back.id, made.id]
    assert len(page.deployments) == 5
    pages = list(scripts.deployments.list(**SHOP, per_page=2))
    assert [len(one.deployments) for one in pages] == [2, 2, 1]
    (since,) = list(scripts.deployments.list(**SHOP, since=made.created_on))
    assert [one.id for one in since.deployments] == [back.id, made.id]


def test_what_is_refused_is_raised_as_their_exceptions(cloudflare, scripts):
    new = next(iter(scripts.versions.list(**SHOP))).id
    with pytest.raises(cloudflare.NotFoundError):
        scripts.versions.get("nothing", **SHOP)
    with pytest.raises(cloudflare.NotFoundError):
        scripts.deployments.get("nothing", **SHOP)
    for shares in ([(new, 99)], [(new, 50), (new, 50)], [(new, 0)]):
        versions = [{"version_id": id_, "percentage": share} for id_, share in shares]
        with pytest.raises(cloudflare.BadRequestError):
            scripts.deployments.create(**SHOP, strategy="percentage", versions=versions)
    unknown = [{"version_id": "nothing", "percentage": 100}]
    with pytest.raises(cloudflare.NotFoundError):
        scripts.deployments.create(**SHOP, strategy="percentage", versions=unknown)
