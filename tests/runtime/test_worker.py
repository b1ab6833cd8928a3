"""The Worker's `fetch`, and all that it may do wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wflow.link.frames import Fetch
from wflow.runtime.authoring import WorkerEntrypoint
from wflow.runtime.env import Env
from wflow.runtime.execution import ExecutionContext
from wflow.runtime.http import Response
from wflow.runtime.worker import answer

REQUEST = Fetch(1, "POST", "http://localhost/a?b=1", [("x-a", "1")], b"body")


def asked(worker):
    found = asyncio.run(answer(worker, Env({"NAME": "shop"}), ExecutionContext(), (REQUEST, REQUEST.body)))
    return found.status, found.headers, found.body


def fetched(fetch):
    return asked(type("Default", (WorkerEntrypoint,), {"fetch": fetch}))


def test_it_answers_with_what_fetch_returns():
    async def fetch(self, request):
        text = (
            f"{request.method} {request.path} {request.headers['x-a']} {await request.text()} {self.env.NAME}"
        )
        return Response(text, 201, {"x-b": "2"})

    status, headers, body = fetched(fetch)
    assert (status, body) == (201, b"POST /a 1 body shop")
    assert ("x-b", "2") in headers


def test_fetch_need_not_be_async():
    assert fetched(lambda *_: Response("plain"))[2] == b"plain"


def test_without_a_worker_it_says_how_to_write_one():
    status, _, body = asked(None)
    assert status == 404
    assert b"class Default(WorkerEntrypoint)" in body


@pytest.mark.parametrize(
    "error",
    [ValueError("no order"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()],
)
def test_whatever_fetch_raises_is_answered_with_its_traceback(error, capsys):
    async def fetch(self, request):
        raise error

    status, _, body = fetched(fetch)
    assert status == 500
    assert type(error).__name__ in body.decode()
    assert "raise error" in body.decode()
    assert type(error).__name__ in capsys.readouterr().err, "it is in the log as well"


@pytest.mark.parametrize("given", ["text", None, {"a": 1}, 200])
def test_what_is_no_response_is_a_mistake_of_the_handler(given, capsys):
    async def fetch(self, request):
        return given

    status, _, body = fetched(fetch)
    assert status == 500
    assert f"fetch must return a Response, not {type(given).__name__}" in body.decode()
    capsys.readouterr()


def test_a_response_that_was_spoilt_is_a_mistake_of_the_handler(capsys):
    async def fetch(self, request):
        response: Any = Response("x")
        response.status = "ok"
        return response

    assert fetched(fetch)[0] == 500
    capsys.readouterr()


def test_a_worker_that_cannot_be_made_is_a_mistake_of_the_handler(capsys):
    class Default(WorkerEntrypoint):
        def __init__(self, ctx, env):
            raise OSError("no database")

    status, _, body = asked(Default)
    assert (status, b"no database" in body) == (500, True)
    capsys.readouterr()


def test_an_unwritten_fetch_is_a_mistake_of_the_handler(capsys):
    class Default(WorkerEntrypoint):
        pass

    status, _, body = asked(Default)
    assert (status, b"NotImplementedError" in body) == (500, True)
    capsys.readouterr()
