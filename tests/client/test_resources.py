"""Resources by name, found or made, against a server that says what the test scripts."""

from __future__ import annotations

import json

import pytest

from wflow.client.api import Remote, connect
from wflow.client.resources import PAGE
from wflow.errors import RunnerError

JSON = {"content-type": "application/json"}


def good(result):
    body = {"success": True, "errors": [], "messages": [], "result": result}
    return 200, JSON, json.dumps(body).encode()


def bad(status, code):
    body = {"success": False, "errors": [{"code": code, "message": "no"}], "messages": [], "result": None}
    return status, JSON, json.dumps(body).encode()


def page(count):
    return [{"id": str(n), "title": f"t{n}"} for n in range(count)]


@pytest.fixture
def resources(script):
    opened = []

    def open_(*answers):
        api = connect(Remote(url=script(*answers).url)).__enter__()
        opened.append(api)
        return api.resources

    yield open_
    for api in opened:
        api.__exit__(None, None, None)


def test_a_namespace_is_found_on_any_page(resources):
    assert resources(good(page(PAGE)), good([{"id": "f00", "title": "mine"}])).namespace("mine") == "f00"


def test_what_is_not_there_is_made(resources):
    assert resources(good(page(2)), good({"id": "f00"})).namespace("mine") == "f00"
    assert resources(good([]), good({"uuid": "d1"})).database("mine") == "d1"
    assert resources(good([]), good({"queue_name": "mine"})).queue("mine") == "mine"


def test_what_somebody_else_made_meanwhile_is_taken(resources):
    made = good([{"id": "f00", "title": "mine"}])
    assert resources(good([]), bad(400, 10014), made).namespace("mine") == "f00"
    made = good([{"uuid": "d1", "name": "mine"}])
    assert resources(good([]), bad(400, 7502), made).database("mine") == "d1"


def test_a_refusal_is_told(resources):
    for ask in ("namespace", "database"):
        with pytest.raises(RunnerError) as refused:
            getattr(resources(good([]), bad(429, 10013), good([])), ask)("mine")
        assert refused.value.status == 429
