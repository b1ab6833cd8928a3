"""Request, Response and Headers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from wflow.runtime.http import Headers, Request, Response
from wflow.wire.view import View


def test_headers_answer_in_any_case_and_keep_all_values():
    headers = Headers([("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-One", "1")])
    assert headers.get("SET-COOKIE") == "a=1"
    assert headers["x-one"] == "1"
    assert headers.items() == [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-one", "1")]
    assert (len(headers), list(headers)) == (3, ["set-cookie", "x-one"])
    assert "X-ONE" in headers
    assert 5 not in headers
    assert headers.get("none") is None
    with pytest.raises(KeyError):
        headers["none"]


def test_headers_are_copied_and_can_be_changed():
    first = Headers({"a": "1"})
    second = Headers(first)
    second["A"] = "2"
    second.append("B", "3")
    assert first.items() == [("a", "1")]
    assert second.items() == [("a", "2"), ("b", "3")]
    assert Headers().items() == []
    assert Headers([("count", 5)]).items() == [("count", "5")]  # type: ignore[list-item]


@pytest.mark.parametrize(
    "pair",
    [
        ("x", "a\r\nset-cookie: evil=1"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x\r\ny", "1"),
        ("x y", "1"),
        ("", "1"),
        ("x:", "1"),
        ("ключ", "1"),
        ("x", "значение"),
    ],
)
def test_a_header_that_http_cannot_carry_is_refused(pair):
    name, value = pair
    with pytest.raises(ValueError, match="header"):
        Headers([pair])
    with pytest.raises(ValueError, match="header"):
        Headers().append(name, value)
    with pytest.raises(ValueError, match="header"):
        Response("x", headers={name: value})
    response = Response("x")
    with pytest.raises(ValueError, match="header"):
        response.headers[name] = value


def test_a_redirect_cannot_be_made_to_set_headers():
    with pytest.raises(ValueError, match="line breaks"):
        Response.redirect("https://a.example/\r\nset-cookie: x=1")
    assert Response.redirect("https://a.example/").parts() == (302, [("location", "https://a.example/")], b"")


def test_a_response_is_text_or_bytes():
    assert Response("hé").parts() == (200, [("content-type", "text/plain; charset=utf-8")], "hé".encode())
    assert Response(b"\xff").parts() == (200, [], b"\xff")
    assert Response(bytearray(b"a")).parts()[2] == b"a"
    assert Response(None, 204).parts() == (204, [], b"")
    assert Response("<p>", headers={"Content-Type": "text/html"}).parts()[1] == [
        ("content-type", "text/html")
    ]


@pytest.mark.parametrize("body", [{"a": 1}, ["a"], 5, True])
def test_any_other_body_is_refused(body):
    with pytest.raises(TypeError, match=r"Response\.json takes the rest"):
        Response(body)


@pytest.mark.parametrize("status", [0, 100, 199, 600, "200", None, 200.0])
def test_a_wrong_status_is_refused(status):
    with pytest.raises(ValueError, match="from 200 to 599"):
        Response("x", status)


def test_a_response_that_was_changed_is_checked_when_it_is_sent():
    response: Any = Response("x")
    response.status, response.body = 404, "other"
    assert response.parts()[::2] == (404, b"other")
    response.status = "404"
    with pytest.raises(ValueError, match="a number from 200 to 599"):
        response.parts()
    with pytest.raises(TypeError):
        response.body = {"a": 1}


@dataclass
class Point:
    x: int


def test_json_takes_what_has_one():
    data = {
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "on": date(2026, 1, 1),
        "price": Decimal("1.10"),
        "id": UUID(int=1),
        "point": Point(1),
        "view": View(instanceId="a", nested=View(b=1)),
        "big": 2**70,
        "set": {1},
        "none": None,
        3: "three",
    }
    response = Response.json(data, 201)
    assert response.parts()[:2] == (201, [("content-type", "application/json")])
    assert json.loads(asyncio.run(response.bytes())) == {
        "at": "2026-01-01T00:00:00Z",
        "on": "2026-01-01",
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "point": {"x": 1},
        "view": {"instanceId": "a", "nested": {"b": 1}},
        "big": 2**70,
        "set": [1],
        "none": None,
        "3": "three",
    }


def test_json_refuses_what_has_none():
    with pytest.raises(TypeError, match=r"a builtins\.object has no JSON"):
        Response.json({"a": object()})


def test_json_keeps_a_content_type_that_is_given():
    response = Response.json({}, headers={"content-type": "application/problem+json"})
    assert response.headers.items() == [("content-type", "application/problem+json")]


def test_a_request_gives_its_parts():
    request = Request("POST", "http://localhost:8787/a/b?id=1", [("Host", "x")], b'{"a": "\xc3\xa9"}')

    async def read():
        first, second = request.clone(), request.clone()
        return await request.bytes(), await first.text(), await second.json()

    assert asyncio.run(read()) == (b'{"a": "\xc3\xa9"}', '{"a": "é"}', {"a": "é"})
    assert (request.method, request.path, request.headers["host"]) == ("POST", "/a/b", "x")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_value_error(body):
    request = Request("POST", "http://x/", [], body)
    other = request.clone()
    with pytest.raises(ValueError, match="the body is no JSON"):
        asyncio.run(request.json())
    assert isinstance(asyncio.run(other.text()), str)
