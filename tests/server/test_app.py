"""The app as a whole: paths, methods, envelopes; and that no bad input makes it fail."""

from __future__ import annotations

import logging

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.small_host import API, problem, result
from wflow.errors import StoreError, TooMany

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["id", "instance_id", "params", "status", "name", "scope", "rollback", "from", "instances", "tags"]
)
BODIES = JSON | st.dictionaries(KEYS, JSON, max_size=4) | st.lists(st.dictionaries(KEYS, JSON, max_size=2))
NAMES = st.sampled_from(["orders", "nobody", "latest", "a%00b", "%2e%2e", "%ff", "x" * 200, "%F0%9F%92%A9"])
TAILS = st.sampled_from(
    [
        *("", "/batch", "/a/status", "/latest/status", "/a/events/paid", "/a/events/%00", "/%ff", "/a"),
        *("/batch/delete", "/batch/terminate", "/terminate"),
    ]
)
PARAMETERS = [
    *("page", "per_page", "cursor", "limit", "since", "status", "level", "search", "order", "direction"),
    *("date_start", "date_end", "simple", "step", "workflow", "instance", "tag", "name", "type", "attempt"),
]
QUERIES = st.dictionaries(
    st.sampled_from(PARAMETERS),
    st.sampled_from(
        ["", "0", "-1", "1", "9" * 30, "1e3", "asc", "x", "10m", "²", "\x00", "2026-11-22", "true"]
    )
    | st.text(max_size=20),
    max_size=4,
)
ALL_EXAMPLES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_it_is_healthy_and_says_so_to_everybody(house):
    answer = house.ask("GET", "/healthz", headers={"host": "anything.example"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert house.ask("HEAD", "/healthz").status_code == 200
    assert house.ask("POST", "/healthz").text == "hello"


@pytest.mark.parametrize(
    "path",
    [
        "/client/v4",
        "/client/v4/",
        "/client/v4/nothing",
        "/client/v4/a%0Ab",
        f"{API}/nothing",
        f"{API}/workflows/a/b/c",
        f"{API}/workflows//",
        f"{API}/workflows//instances",
    ],
)
def test_nothing_lies_at_an_unknown_path_of_the_api(house, path):
    status, code, _ = problem(house.ask("GET", path))
    assert (status, code) == (404, 7003)
    assert house.host.fetched == [], "the API's paths never reach a Worker"


def test_a_method_that_a_path_does_not_take_is_told_which_ones_it_takes(house):
    answer = house.api("PUT", "/workflows/orders/instances")
    assert problem(answer)[:2] == (405, 7001)
    assert answer.headers["allow"] == "GET, POST"


def test_a_slash_at_the_end_changes_nothing(house):
    assert house.get("/workflows/") == house.get("/workflows")
    assert house.get("/workflows/orders/instances/") == []


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "BREW"])
def test_a_method_that_nobody_knows_is_refused_like_any_other(house, method):
    assert house.api(method, "/workflows").status_code == 405


def test_there_is_one_account(house):
    status, code, message = problem(house.ask("GET", "/client/v4/accounts/0123456789abcdef/workflows"))
    assert (status, code) == (404, 7003)
    assert "'local'" in message


def test_each_answer_has_a_request_id_of_its_own(house):
    first, second = house.api("GET", "/workflows"), house.api("GET", "/workflows")
    assert len({first.headers["x-request-id"], second.headers["x-request-id"]}) == 2


def test_our_own_failure_is_logged_with_its_traceback_and_told_without(house, caplog):
    async def broken(*_args, **_more):
        raise StoreError("the disk with the secret is full")

    house.host.get = broken
    with caplog.at_level(logging.ERROR):
        answer = house.api("GET", "/workflows/orders/instances/a")
    assert problem(answer) == (500, 10001, "internal error")
    assert "secret" not in answer.text
    (record,) = caplog.records
    assert answer.headers["x-request-id"] in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], StoreError)


def test_whoever_is_too_early_is_told_when_to_come_again(house):
    async def full(*_args, **_more):
        raise TooMany("the queue is full", retry_after_s=7)

    house.host.create = full
    answer = house.api("POST", "/workflows/orders/instances")
    assert problem(answer) == (429, 10429, "the queue is full")
    assert answer.headers["retry-after"] == "7"


@ALL_EXAMPLES
@given(
    method=st.sampled_from(["POST", "PATCH", "PUT", "DELETE"]),
    path=st.tuples(NAMES, TAILS).map(lambda parts: f"/workflows/{parts[0]}/instances{parts[1]}"),
    body=BODIES,
)
def test_no_json_body_makes_it_fail(house, method, path, body):
    answer = house.api(method, path, content=msgspec.json.encode(body))
    assert answer.status_code < 500
    assert answer.json()["success"] is (answer.status_code == 200)


@ALL_EXAMPLES
@given(body=BODIES)
def test_no_json_body_makes_the_making_of_tokens_fail(house, body):
    assert house.api("POST", "/tokens", content=msgspec.json.encode(body)).status_code in {200, 400, 429}


@ALL_EXAMPLES
@given(body=st.binary(max_size=200), path=st.sampled_from(["/workflows/orders/instances", "/tokens"]))
def test_no_bytes_make_it_fail(house, body, path):
    assert house.api("POST", path, content=body).status_code < 500


@ALL_EXAMPLES
@given(
    body=st.binary(max_size=300) | st.sampled_from([b"--b\r\n", b"--b--\r\n", b"--b\r\n\r\n--b--"]),
    kind=st.sampled_from(
        ["multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary="]
    ),
)
def test_no_form_makes_it_fail(house, body, kind):
    answer = house.api("PUT", "/workers/scripts/shop", content=body, headers={"content-type": kind})
    assert problem(answer)[:2] == (400, 10026)


@ALL_EXAMPLES
@given(
    path=st.sampled_from(
        [
            *("/workflows", "/workflows/orders/instances", "/workflows/orders/instances/latest", "/logs"),
            *("/workflows/orders/instances/a/step", "/workflows/orders/instances/terminate"),
        ]
    ),
    query=QUERIES,
)
def test_no_query_makes_it_fail(house, path, query):
    answer = house.api("GET", path, params=query)
    assert answer.status_code in {200, 400, 404}


def test_a_body_that_is_nested_without_end_is_refused(house):
    answer = house.api("POST", "/workflows/orders/instances", content=b'{"params":' + b"[" * 100_000)
    assert problem(answer)[:2] == (400, 10026)


def test_what_the_store_takes_comes_back_the_same(house):
    params = {"big": 2**63, "text": "\u2028 ü", "list": [1.5, None, True, {"a": []}]}
    body = msgspec.json.encode({"instance_id": "a", "params": params})
    result(house.api("POST", "/workflows/orders/instances", content=body))
    assert house.get("/workflows/orders/instances/a")["params"] == params
