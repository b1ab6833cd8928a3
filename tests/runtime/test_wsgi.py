"""WSGI applications in a Worker: `wsgi.fetch(app, request, env)`."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from wflow.runtime.env import Env
from wflow.runtime.workers import Request, wsgi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def asked(app: Any, request: Request | None = None) -> tuple[int, dict[str, str], bytes]:
    async def ask() -> tuple[int, dict[str, str], bytes]:
        answer = await wsgi.fetch(app, request or Request("http://shop.example:81/"), Env({"A": "b"}))
        return answer.status, dict(answer.headers.items()), await answer.bytes()

    return asyncio.run(ask())


def test_an_application_finds_the_request_and_the_bindings_in_its_environment():
    seen: dict[str, Any] = {}

    def app(environ: Any, start_response: Any) -> Any:
        seen.update(environ)
        seen["body"] = environ["wsgi.input"].read()
        start_response("201 Created", [("X-A", "1"), ("set-cookie", "a=1")])
        return [b"a", b"", b"b"]

    headers = [
        ("x-color", "red"),
        ("x-color", "blue"),
        ("content-type", "a/b"),
        ("cf-connecting-ip", "1.2.3.4"),
    ]
    request = Request("https://shop.example/%C3%A4%20b?q=%20", method="POST", headers=headers, body=b"body")
    status, found, body = asked(app, request)
    assert (status, found["x-a"], body) == (201, "1", b"ab")
    assert seen["body"] == b"body"
    wanted = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/\xc3\xa4 b",
        "QUERY_STRING": "q=%20",
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "443",
        "HTTP_X_COLOR": "red,blue",
        "CONTENT_TYPE": "a/b",
        "REMOTE_ADDR": "1.2.3.4",
        "wsgi.url_scheme": "https",
    }
    assert {name: seen[name] for name in wanted} == wanted
    assert seen["workers.env"].A == "b"


def test_it_runs_in_a_thread_and_may_run_coroutines():
    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [str(threading.current_thread() is not threading.main_thread()).encode(), asyncio.run(later())]

    async def later() -> bytes:
        return b"later"

    assert asked(app)[2] == b"Truelater"


def test_bodies_come_as_they_are_read_and_made():
    closed: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 100

    class Made:
        def __init__(self, environ: Any) -> None:
            self.environ = environ

        def __iter__(self) -> Iterator[bytes]:
            while piece := self.environ["wsgi.input"].read(150):
                yield str(len(piece)).encode() + b" "

        def close(self) -> None:
            closed.append("closed")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Made(environ)

    assert asked(app, Request("http://a/", method="POST", body=pieces()))[2] == b"150 150 150 50 "
    assert closed == ["closed"]


def test_what_is_written_the_old_way_comes_first():
    def app(_environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [])
        write(b"first ")
        return [b"second"]

    assert asked(app)[2] == b"first second"


def test_an_application_without_a_body_answers():
    def app(_environ: Any, start_response: Any) -> Any:
        start_response("204 No Content", [])
        return []

    assert asked(app) == (204, {}, b"")


def silent(_environ: Any, _start_response: Any) -> Any:
    return [b"a"]


def broken(_environ: Any, _start_response: Any) -> Any:
    raise KeyError("x")


def twice(_environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    start_response("200 OK", [])


def late(_environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    yield b"a"
    raise KeyError("late")


@pytest.mark.parametrize(
    ("app", "error", "told"),
    [
        (silent, RuntimeError, "did not call start_response"),
        (broken, KeyError, "x"),
        (twice, RuntimeError, "start_response twice"),
        (late, KeyError, "late"),
    ],
)
def test_an_application_that_fails_fails_the_handler_or_breaks_its_answer_off(
    app: Any, error: Any, told: str
):
    with pytest.raises(error, match=told):
        asked(app)


def test_who_wants_no_more_of_an_answer_ends_its_making():
    made: list[int] = []
    closed = threading.Event()

    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            for number in range(1_000_000):
                made.append(number)
                yield b"x"
        finally:
            closed.set()

    async def leave() -> None:
        answer = await wsgi.fetch(app, Request("http://a/"), Env({}))
        source: Any = answer.parts()[2]
        assert await anext(source) == b"x"
        await source.aclose()
        await asyncio.to_thread(closed.wait, 10)

    asyncio.run(leave())
    assert len(made) < 20
