"""What a Worker gets of a request, and a visitor of its answer."""

from __future__ import annotations

import logging

import pytest

from wflow.errors import InvalidInput, LinkError, LoadError
from wflow.server import visit
from wflow.server.auth import LoopbackAuth
from wflow.server.front import DEV, RUNNER, Door
from wflow.server.visit import end_to_end, respond
from wflow.wire.types import HttpAnswer


def test_a_request_arrives_as_the_client_sent_it(house):
    house.ask(
        "PATCH",
        "/a%2Fb/c%20d?x=1&x=2&y=%26",
        content=b"\x00\xff",
        headers={"host": "shop.test:81", "x-a": "1"},
    )
    ((worker, request),) = house.host.fetched
    assert worker is None
    assert (request.method, request.body) == ("PATCH", b"\x00\xff")
    assert request.url == "http://shop.test:81/a%2Fb/c%20d?x=1&x=2&y=%26"
    headers = dict(request.headers)
    assert (headers["x-a"], headers["host"], headers["content-length"]) == ("1", "shop.test:81", "2")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PURGE"])
def test_any_method_reaches_the_worker(house, method):
    assert house.ask(method, "/").status_code == 200
    assert house.host.fetched[0][1].method == method


@pytest.mark.parametrize(
    "path", ["/client", "/client/v5/x", "/client/v4x", "/healthz2", "/a/client/v4/", "/"]
)
def test_every_other_path_is_the_workers(house, path):
    assert house.ask("GET", path).text == "hello"


def test_a_header_that_comes_twice_arrives_twice(house):
    house.host.answer = lambda _: HttpAnswer(
        status=201, headers=[("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-Name", "é")], body=b"made"
    )
    answer = house.ask("GET", "/", headers=[("x-a", "1"), ("x-a", "2")])
    assert [value for name, value in house.host.fetched[0][1].headers if name == "x-a"] == ["1", "2"]
    assert answer.status_code == 201
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert (answer.headers["x-name"], answer.headers["content-length"]) == ("é", "4")


def test_headers_of_one_connection_end_here():
    headers = [
        ("Connection", "x-hop, close"),
        ("X-Hop", "1"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("X-End", "2"),
    ]
    assert end_to_end(headers) == [("X-End", "2")]


def test_the_answer_to_head_tells_the_length_and_has_no_body():
    answer = HttpAnswer(status=200, headers=[("content-length", "99")], body=b"hello")
    response = respond(answer, method="HEAD")
    assert (response.body, response.headers["content-length"]) == (b"", "5")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_may_have_no_body_has_none(status):
    response = respond(HttpAnswer(status=status, headers=[], body=b"hello"), method="GET")
    assert response.body == b""
    assert "content-length" not in response.headers


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(status=99, headers=[], body=b""),
        HttpAnswer(status=101, headers=[], body=b""),
        HttpAnswer(status=600, headers=[], body=b""),
        HttpAnswer(status=200, headers=[("x-a", "1\r\nx-b: 2")], body=b""),
        HttpAnswer(status=200, headers=[("x a", "1")], body=b""),
        HttpAnswer(status=200, headers=[("", "1")], body=b""),
        HttpAnswer(status=200, headers=[("x-a", "\u20ac")], body=b""),
    ],
)
def test_an_answer_that_http_cannot_carry_is_the_workers_failure(house, answer):
    house.host.answer = lambda _: answer
    got = house.ask("GET", "/")
    assert got.status_code == 500
    assert "the Worker answered with" in got.text
    assert "x-b" not in got.headers


def test_in_a_dev_session_a_failure_is_told(house, caplog):
    house.host.refuses = RuntimeError("the shelf is empty")
    answer = house.ask("GET", "/")
    assert (answer.status_code, answer.text) == (500, "RuntimeError: the shelf is empty\n")
    assert answer.headers["x-request-id"] in caplog.text


def test_a_line_break_in_a_path_begins_no_other_line_of_the_log(house, caplog):
    house.host.refuses = RuntimeError("the shelf is empty")
    house.ask("GET", "/a%0Aerror: all is lost%1B[2J")
    assert "GET /a%0Aerror%3A%20all%20is%20lost%1B%5B2J failed" in caplog.messages[-1]


def test_on_a_runner_a_visitor_is_told_nothing_but_the_request_id(house, caplog):
    house.open(LoopbackAuth(), RUNNER)
    house.run(house.host.deploy("shop", b"", digest="", message="", author=""))
    house.host.refuses = RuntimeError("the shelf is empty")
    with caplog.at_level(logging.ERROR):
        answer = house.ask("GET", "/")
    assert answer.status_code == 500
    assert "shelf" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "shelf" in caplog.text


def test_when_the_runtime_is_down_a_visitor_may_come_again(house):
    house.host.refuses = LinkError("the runtime is gone")
    answer = house.ask("GET", "/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_code_that_does_not_load_is_told_with_the_users_lines_and_none_of_ours(house, caplog):
    trace = 'File "worker.py", line 2\n    import nothing\n'
    house.host.refuses = LoadError("worker.py:2: no module", hint="name it", trace=trace)
    answer = house.ask("GET", "/")
    assert answer.status_code == 500
    assert answer.text == f"worker.py:2: no module\n\n{trace}\nhint: name it\n"
    assert "failed (request id" in caplog.text
    assert "worker.py:2: no module" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_process_that_died_is_told_without_a_traceback(house, caplog):
    house.host.refuses = LinkError("the runtime is gone")
    house.ask("GET", "/")
    assert "the runtime is gone" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_worker_that_is_not_there_is_not_found(house):
    house.host.refuses = InvalidInput("there is no Worker", hint="deploy one")
    answer = house.ask("GET", "/")
    assert (answer.status_code, answer.text) == (404, "there is no Worker\n\nhint: deploy one\n")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(house, monkeypatch):
    monkeypatch.setattr(visit, "BODY_BYTES", 1_000)
    assert house.ask("POST", "/", content=b"x" * 1_000).status_code == 200
    assert house.ask("POST", "/", content=b"x" * 1_001).status_code == 413
    assert len(house.host.fetched) == 1


@pytest.mark.parametrize("host", ["evil/..", "a@b", "a b", "[::1", "a:b"])
def test_a_host_that_is_none_is_refused(house, host):
    assert house.ask("GET", "/", headers={"host": host}).status_code == 404
    assert house.host.fetched == []


def test_two_hosts_are_refused(house):
    assert house.ask("GET", "/", headers=[("host", "shop.test"), ("host", "blog.test")]).status_code == 404
    assert house.host.fetched == []


def test_a_path_without_a_slash_does_not_lengthen_the_host(house):
    scope = {
        "type": "http",
        "method": "OPTIONS",
        "scheme": "http",
        "path": "*",
        "raw_path": b"*",
        "query_string": b"",
        "headers": [(b"host", b"shop.test")],
    }
    said = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        said.append(message["type"])

    house.run(Door(house.host, DEV)(scope, receive, send))
    assert (house.host.fetched[0][1].url, said[0]) == ("http://shop.test/*", "http.response.start")


@pytest.fixture
def runner(house):
    house.open(LoopbackAuth(), RUNNER)
    return house


def deploy(house, *workers):
    for worker in workers:
        house.run(house.host.deploy(worker, b"", digest="", message="", author=""))


def test_on_a_runner_the_first_label_of_the_host_names_the_worker(runner):
    deploy(runner, "shop", "blog")
    for host in ("shop.example.com", "SHOP.localhost:8788", "shop", "blog.test"):
        assert runner.ask("GET", "/", headers={"host": host}).status_code == 200
    assert [worker for worker, _ in runner.host.fetched] == ["shop", "shop", "shop", "blog"]


def test_the_only_worker_needs_no_name(runner):
    deploy(runner, "shop")
    runner.ask("GET", "/", headers={"host": "127.0.0.1:8788"})
    assert runner.host.fetched[0][0] == "shop"


def test_of_several_workers_none_is_guessed(runner):
    deploy(runner, "shop", "blog")
    answer = runner.ask("GET", "/", headers={"host": "127.0.0.1:8788"})
    assert answer.status_code == 404
    assert "blog, shop" in answer.text
    assert "Host: blog.localhost" in answer.text
    assert runner.host.fetched == []


def test_a_runner_without_workers_says_how_to_get_one(runner):
    answer = runner.ask("GET", "/")
    assert answer.status_code == 404
    assert "wflow deploy" in answer.text
