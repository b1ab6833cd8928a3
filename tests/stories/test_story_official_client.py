"""Cloudflare's own client for Python drives a dev session, and gives what its types promise."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stories.processes import PLAIN, Process, World, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

HERE: dict[str, Any] = {"account_id": "local"}
PATIENT: dict[str, Any] = {**HERE, "workflow_name": "patient"}
CLUMSY: dict[str, Any] = {**HERE, "workflow_name": "clumsy"}
DAY = timedelta(days=1)

Instances = Any
"""The client's `workflows.instances`."""


@pytest.fixture(scope="module")
def cloudflare() -> ModuleType:
    # By its name: it is too big for the type checker to read, and for a collection to wait for.
    return importlib.import_module("cloudflare")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("official")).open_shop()


@pytest.fixture(scope="module")
def session(shop: World) -> Iterator[Process]:
    with shop.dev() as session:
        yield session


@pytest.fixture(scope="module")
def exact(cloudflare: ModuleType, session: Process) -> Iterator[Any]:
    """Give `workflows` of a client that raises an error for an answer that breaks its types."""
    with connect(cloudflare, session, _strict_response_validation=True) as client:
        yield client.workflows


@pytest.fixture(scope="module")
def instances(cloudflare: ModuleType, session: Process) -> Iterator[Instances]:
    """Give `workflows.instances` of a client as people have it.

    Its types know an output as text or a number, though it may be null, or any JSON.
    """
    with connect(cloudflare, session) as client:
        yield client.workflows.instances


def connect(cloudflare: ModuleType, session: Process, **more: Any) -> Any:
    """Open a client that says at once what was refused: by itself it tries again after a 409."""
    return cloudflare.Cloudflare(
        base_url=f"{session.url}/client/v4",
        api_token="anything",
        max_retries=0,
        http_client=httpx.Client(**PLAIN),
        **more,
    )


def comes_to(status: str, instances: Instances, workflow: str, id_: str) -> Any:
    """Wait until an instance has a status; gives the instance."""
    asked = {**HERE, "workflow_name": workflow}
    wait_for(
        lambda: instances.get(id_, **asked, simple="true").status == status, f"{id_} to be {status}"
    )
    return instances.get(id_, **asked)


def begin(instances: Instances, id_: str, **params: object) -> Any:
    """Create an instance that waits for an event, and wait until it does; gives the instance."""
    instances.create("patient", **HERE, instance_id=id_, params=params)
    return comes_to("waiting", instances, "patient", id_)


def test_workflows_are_listed_over_pages_and_one_is_found(exact):
    listed = list(exact.workflows.list(**HERE, per_page=3)) if hasattr(exact, "workflows") else None
    assert listed is None
