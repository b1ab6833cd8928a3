"""The API's keys of a KV namespace: what is given, and what is refused; and its bulk requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.small_host import problem, result
from wflow.server.routes import kv_bulk

ROOT = "/storage/kv/namespaces"
VALUE_BYTES = 25 * 1024 * 1024


@pytest.fixture
def space(house) -> str:
    return f"{ROOT}/{result(house.api('POST', ROOT, json={'title': 'stock'}))['id']}"


def names(house, space: str, **query: Any) -> list[str]:
    return [key["name"] for key in house.get(f"{space}/keys", **query)]


def test_a_value_is_the_body_or_a_part_of_a_form(house, space):
    result(house.api("PUT", f"{space}/values/a%2Fb", content=b"\xff\0"))
    assert house.api("GET", f"{space}/values/a%2Fb").content == b"\xff\0"
    assert house.get(f"{space}/metadata/a%2Fb") is None
    parts = {"value": (None, "text"), "metadata": (None, '{"n": 1}')}
    result(house.api("PUT", f"{space}/values/form?expiration_ttl=60", files=parts))
    answer = house.api("GET", f"{space}/values/form")
    assert (answer.text, answer.headers["content-type"]) == ("text", "application/octet-stream")
    soon = house.host.now() // 1000  # its clock goes on a second with each look
    assert int(answer.headers["expiration"]) in range(soon + 50, soon + 60)
    assert house.get(f"{space}/metadata/form") == {"n": 1}
    assert names(house, space) == ["a/b", "form"]
    for _ in range(2):
        result(house.api("DELETE", f"{space}/values/form"))
    assert problem(house.api("GET", f"{space}/values/form")) == (404, 10009, "get: 'key not found'")


def test_a_form_may_be_as_long_as_a_value(house, space):
    parts = {"value": (None, b"x" * VALUE_BYTES), "metadata": (None, "1")}
    result(house.api("PUT", f"{space}/values/long", files=parts))
    assert len(house.api("GET", f"{space}/values/long").content) == VALUE_BYTES
    status, _, told = problem(house.api("PUT", f"{space}/values/long", content=bytes(VALUE_BYTES + 1)))
    assert (status, told) == (413, "KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.")


@pytest.mark.parametrize(
    ("method", "path", "more", "told"),
    [
        ("PUT", "/values/a", {"files": {"metadata": (None, "1")}}, "the form has no part `value`"),
        (
            "PUT",
            "/values/a",
            {"files": {"value": (None, "1"), "metadata": (None, "{")}},
            "`metadata` is no JSON",
        ),
        ("PUT", "/values/a?expiration_ttl=59", {"content": b"1"}, "Expiration TTL must be at least 60."),
        ("PUT", "/values/a?expiration=soon", {"content": b"1"}, "`expiration` must be a whole number"),
        ("PUT", f"/values/{'k' * 513}", {"content": b"1"}, "414 UTF-8 encoded length of 513"),
        ("GET", "/values/%2E%2E", {}, '".." is not allowed as a key'),
        ("GET", "/keys?limit=1001", {}, "Invalid key_count_limit of 1001"),
        ("GET", "/keys?cursor=x", {}, "Invalid cursor 'x'"),
        ("PUT", "/bulk", {"json": {}}, "must be a JSON array"),
        ("PUT", "/bulk", {"json": []}, "has 1 to 10,000 keys, not 0"),
        ("PUT", "/bulk", {"json": [{"key": "a", "value": 5}]}, "[0]: `value` must be a string"),
        ("PUT", "/bulk", {"json": [{"key": "a", "value": "?", "base64": True}]}, "[0]: `value` is no Base64"),
        ("PUT", "/bulk", {"json": [{"key": "a", "val": "1"}]}, "[0]: unknown key 'val'"),
        (
            "PUT",
            "/bulk",
            {"json": [{"key": "a", "value": "", "expiration_ttl": 1}]},
            "[0]: KV PUT failed: 400",
        ),
        ("DELETE", "/bulk", {"json": ["a", 5]}, "[1]: KV DELETE failed: 400 a key is text"),
        ("POST", "/bulk/get", {"json": {"keys": "a"}}, "You must request a minimum of 1 key"),
        ("POST", "/bulk/get", {"json": {"keys": ["a"], "type": "bytes"}}, '"bytes" is not a valid type'),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(  # noqa: PLR0917 - a row of the table
    house, space, method, path, more, told
):
    result(house.api("PUT", f"{space}/values/kept", content=b"1"))
    status, _, message = problem(house.api(method, space + path, **more))
    assert status == 400
    assert told in message
    assert names(house, space) == ["kept"]


def test_nothing_is_kept_in_a_namespace_that_is_not_there(house):
    gone = f"{ROOT}/none"
    for method, path in (("GET", "/keys"), ("GET", "/values/a"), ("PUT", "/values/a"), ("DELETE", "")):
        assert problem(house.api(method, gone + path))[:2] == (404, 10013)
    for method, path in (("PUT", "/bulk"), ("POST", "/bulk/delete"), ("POST", "/bulk/get")):
        assert (
            problem(house.api(method, gone + path, json=["a"] if "get" not in path else {"keys": ["a"]}))[0]
            == 404
        )


def test_many_keys_go_through_many_transactions(house, space, monkeypatch):
    monkeypatch.setattr(kv_bulk, "WRITTEN", 3)
    monkeypatch.setattr(kv_bulk, "WRITTEN_BYTES", 10)
    pairs = [{"key": f"k{n:02}", "value": "x" * (12 if n % 5 == 0 else 1), "metadata": n} for n in range(20)]
    done = {"successful_key_count": 20, "unsuccessful_keys": []}
    assert result(house.api("PUT", f"{space}/bulk", json=pairs)) == done
    assert names(house, space) == [pair["key"] for pair in pairs]
    assert names(house, space, prefix="k1", limit=3) == ["k10", "k11", "k12"]
    body = json.dumps([{"name": pair["key"]} for pair in pairs]).encode()
    assert result(house.api("DELETE", f"{space}/bulk", content=body)) == done
    assert names(house, space) == []


def test_keys_are_read_as_text_or_json_with_their_metadata(house, space):
    pairs = [{"key": "a", "value": "[1]", "metadata": "m"}, {"key": "b", "value": "no json"}]
    result(house.api("PUT", f"{space}/bulk", json=pairs))
    asked = {"keys": ["a", "none"], "type": "json", "withMetadata": True}
    found = result(house.api("POST", f"{space}/bulk/get", json=asked))["values"]
    assert found == {"a": {"value": [1], "metadata": "m"}, "none": None}
    wrong = {"keys": ["a", "b"], "type": "json"}
    assert "non-json value" in problem(house.api("POST", f"{space}/bulk/get", json=wrong))[2]
