"""Headers, queries and cookies; `test_http.py` has what a Response does with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from wflow.runtime import headers
from wflow.runtime.headers import Headers, Query, cookies_of
from wflow.runtime.http import Request, Response


def test_headers_know_cloudflares_words():
    given = Headers([("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("x-a", "1")])
    assert (given.getSetCookie(), given.getAll("SET-COOKIE")) == (["a=1", "b=2"], ["a=1", "b=2"])
    assert (given.has("X-A"), given.get_all("z"), Headers().getSetCookie()) == (True, None, [])
    given.set("X-A", "2")
    given.delete("set-cookie")
    given.delete("set-cookie")
    assert (given.keys(), given.values()) == (["x-a"], ["2"])


def test_a_query_is_read_with_all_its_values():
    query = Request("GET", "http://a/?a=1&a=2&b=&c=%C3%A9+x#f", []).query
    assert (query["a"], query.get_all("a"), query["b"], query["c"]) == ("2", ["1", "2"], "", "é x")
    assert (query.get("z"), query.get_all("z")) == (None, [])


def test_a_query_has_so_many_parameters_and_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(headers, "FIELDS", 2)
    with pytest.raises(ValueError, match="fields exceeded"):
        Query("a=1&b=2&c=3")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, {}),
        ("", {}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ('a="x y"; a=2', {"a": "x y"}),
        ("nonsense; =1; b = 2 ;;", {"b": "2"}),
        ("a=1=2", {"a": "1=2"}),
        ('{"json": 1}; b=2', {"b": "2"}),
    ],
)
def test_cookies_are_read_as_far_as_they_make_sense(header: str | None, found: dict[str, str]):
    assert cookies_of(header) == found


def test_only_so_many_cookies_are_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(headers, "COOKIES", 2)
    assert cookies_of("a=1; b=2; c=3") == {"a": "1", "b": "2"}


def test_cookies_are_set_with_all_that_they_may_have():
    response = Response()
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    response.set_cookie("a", "1", expires=noon, domain="shop.test", path="/x", samesite="None", secure=True)
    response.set_cookie("b", "é;", samesite=None, path=None)
    response.set_cookie("c", "", expires=noon.astimezone(timezone(timedelta(hours=2))))
    first, second, third = response.headers.getSetCookie()
    expires = "expires=Thu, 01 Jan 2026 12:00:00 GMT"
    assert first == f"a=1; Domain=shop.test; {expires}; Path=/x; SameSite=None; Secure"
    assert second.startswith('b="')
    assert ";" not in second[3:-1].replace("\\073", "")
    assert expires in third
    response.delete_cookie("a", domain="shop.test")
    assert "Max-Age=0" in response.headers.getSetCookie()[-1]


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "é", "a\r\nb"])
def test_what_is_no_name_of_a_cookie_is_refused(name: str):
    with pytest.raises(ValueError, match="is no name of a cookie"):
        Response().set_cookie(name, "1")


@pytest.mark.parametrize("attribute", ["path", "domain", "samesite", "expires"])
def test_an_attribute_of_a_cookie_begins_no_other_one(attribute: str):
    given: dict[str, Any] = {attribute: "/; domain=evil.example"}
    with pytest.raises(ValueError, match="semicolon"):
        Response().set_cookie("a", "b", **given)


def test_what_would_begin_another_header_or_has_no_zone_is_refused():
    with pytest.raises(ValueError, match="header"):
        Response().set_cookie("a", "1", path="/\r\nx: y")
    with pytest.raises(ValueError, match="time zone"):
        Response().set_cookie("a", "1", expires=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
