"""Cloudflare's own client for Python keeps namespaces and keys in a dev session, as its types promise."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stories.featured import open_project
from tests.stories.processes import PLAIN, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

HERE: dict[str, Any] = {"account_id": "local"}


@pytest.fixture(scope="module")
def cloudflare() -> ModuleType:
    return importlib.import_module("cloudflare")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with open_project(tmp_path_factory.mktemp("official"), "kv").dev() as session:
        yield session


@pytest.fixture(scope="module")
def client(cloudflare: ModuleType, session: Process) -> Iterator[Any]:
    with cloudflare.Cloudflare(
        base_url=f"{session.url}/client/v4",
        api_token="anything",
        max_retries=0,
        http_client=httpx.Client(**PLAIN),
        _strict_response_validation=True,
    ) as client:
        yield client.kv.namespaces


@pytest.fixture
def space(client: Any) -> Iterator[dict[str, Any]]:
    made = client.create(title="a namespace", **HERE)
    yield {**HERE, "namespace_id": made.id}
    client.delete(namespace_id=made.id, **HERE)


def test_namespaces_are_created_listed_renamed_and_deleted(cloudflare: ModuleType, client: Any):
    made = client.create(title="mine", **HERE)
    assert (made.title, len(made.id)) == ("mine", 32)
    declared = [("0f2ac74b498b48028cb68387c421e279", "kv-other"), ("kv-kv", "kv-kv")]
    listed = [(one.id, one.title) for one in client.list(**HERE)]
    assert sorted(listed) == sorted([*declared, (made.id, "mine")])
    last = client.list(**HERE, order="title", direction="desc", per_page=1)
    assert next(iter(last)).title == "mine"
    with pytest.raises(cloudflare.BadRequestError, match="title already exists"):
        client.create(title="mine", **HERE)
    renamed = client.update(namespace_id=made.id, title="ours", **HERE)
    assert (renamed.id, client.get(made.id, **HERE).title) == (made.id, "ours")
    client.values.update("key", namespace_id=made.id, value=b"1", **HERE)
    client.delete(namespace_id=made.id, **HERE)
    with pytest.raises(cloudflare.NotFoundError, match="namespace not found"):
        client.get(made.id, **HERE)
    with pytest.raises(cloudflare.NotFoundError):
        client.values.get("key", namespace_id=made.id, **HERE)


def test_values_of_any_bytes_are_kept_under_any_key(
    client: Any, cloudflare: ModuleType, space: dict[str, Any]
):
    for key, value in {"plain": b"text", "a/b c%?": b"\xff\0bytes", "é:\U0001f600": b"x"}.items():
        client.values.update(key, value=value, metadata={"by": "me"}, **space)
        assert client.values.get(key, **space).read() == value
        assert client.metadata.get(key, **space) == {"by": "me"}
    client.values.delete("plain", **space)
    with pytest.raises(cloudflare.NotFoundError, match="key not found"):
        client.values.get("plain", **space)
    with pytest.raises(cloudflare.BadRequestError, match="Expiration TTL must be at least 60"):
        client.values.update("short", value=b"x", expiration_ttl=59, **space)
    client.values.update("hour", value=b"x", expiration_ttl=3_600, **space)
    assert client.values.get("hour", **space).headers["expiration"]


def test_keys_are_listed_page_by_page(client: Any, space: dict[str, Any]):
    client.bulk_update(body=[{"key": f"k{n:02}", "value": "x", "metadata": n} for n in range(25)], **space)
    first = client.keys.list(limit=10, prefix="k", **space)
    assert (len(first.result), first.result_info.count) == (10, 10)
    everyone = list(client.keys.list(limit=10, prefix="k", **space))
    assert [(key.name, key.metadata) for key in everyone] == [(f"k{n:02}", n) for n in range(25)]


def test_many_keys_are_written_read_and_deleted_at_once(
    client: Any, cloudflare: ModuleType, space: dict[str, Any]
):
    pairs = [
        {"key": "text", "value": "1", "metadata": {"n": 1}, "expiration_ttl": 3_600},
        {"key": "bytes", "value": "/w==", "base64": True},
    ]
    assert client.bulk_update(body=pairs, **space).successful_key_count == 2
    assert client.values.get("bytes", **space).read() == b"\xff"
    asked = {"keys": ["text", "none"], "with_metadata": True}
    found = client.bulk_get(**asked, **space).values["text"]
    assert (found.value, found.metadata) == ("1", {"n": 1})
    assert client.bulk_get(keys=["text"], type="json", **space).values == {"text": 1.0}
    with pytest.raises(cloudflare.BadRequestError, match=r"\[1\]: .* a key is text"):
        client.bulk_update(body=[{"key": "new", "value": "1"}, {"key": "", "value": "1"}], **space)
    assert [key.name for key in client.keys.list(**space)] == ["bytes", "text"], "nothing of it was kept"
    assert client.bulk_delete(body=["text", "bytes", "none"], **space).successful_key_count == 3
    assert list(client.keys.list(**space)) == []
