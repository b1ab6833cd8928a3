"""ASGI applications in a Worker: `asgi.fetch(app, request, env)`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from wflow.runtime.env import Env
from wflow.runtime.execution import ExecutionContext
from wflow.runtime.workers import Request, Response, asgi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request as Asked


def http_only(app: Any) -> Any:
    """Make an application one that knows no lifespan, as it is told to."""

    async def only(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError("that is no request")
        await app(scope, receive, send)

    return only


async def echo(request: Asked) -> JSONResponse:
    scope = request.scope
    response = JSONResponse(
        {
            "greeting": scope["env"].GREETING,
            "method": request.method,
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": dict(request.query_params),
            "color": request.headers.get("x-color"),
            "body": (await request.body()).decode(),
            "server": scope["server"],
        },
        201,
    )
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def asked(app: Any, path: str = "/", body: bytes = b"", method: str = "GET") -> Response:
    async def ask() -> Response:
        request = Request(f"http://shop.example{path}", method=method, headers={"X-Color": "red"}, body=body)
        return await asgi.fetch(app, request.js_object, Env({"GREETING": "hello"}))

    return asyncio.run(ask())


def test_an_asgi_application_answers_and_finds_the_bindings_in_its_scope():
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    response = asked(app, "/a%20b?q=1&r=%2F", b"hi", "POST")
    assert response.status == 201
    assert asyncio.run(response.json()) == {
        "greeting": "hello",
        "method": "POST",
        "path": "/a b",
        "raw_path": "/a%20b",
        "query": {"q": "1", "r": "/"},
        "color": "red",
        "body": "hi",
        "server": ["shop.example", 80],
    }
    cookies = response.headers.get_all("set-cookie")
    assert cookies is not None
    assert [cookie[:3] for cookie in cookies] == ["a=1", "b=2"]


def test_a_streamed_answer_comes_piece_by_piece():
    async def stream(_request: Asked) -> StreamingResponse:
        async def parts():
            for part in ("a", "b", "c"):
                await asyncio.sleep(0)
                yield part

        return StreamingResponse(parts())

    async def ask() -> list[bytes]:
        answer = await asgi.fetch(Starlette(routes=[Route("/", stream)]), Request("http://a/"), Env({}))
        return [piece async for piece in answer.body or pytest.fail("no body")]

    assert asyncio.run(ask()) == [b"a", b"b", b"c"]


def test_background_tasks_do_not_hold_the_answer_up():
    async def late() -> tuple[int, list[str]]:
        done: list[str] = []
        go = asyncio.Event()

        async def task() -> None:
            await go.wait()
            done.append("late")

        async def page(_request: Asked) -> PlainTextResponse:
            return PlainTextResponse("ok", background=BackgroundTask(task))

        response = await asgi.fetch(Starlette(routes=[Route("/", page)]), Request("http://a/"), Env({}))
        assert done == []
        go.set()
        for _ in range(10):
            await asyncio.sleep(0)
        return response.status, done

    assert asyncio.run(late()) == (200, ["late"])


def test_an_application_that_fails_after_its_answer_is_logged(capsys: pytest.CaptureFixture[str]):
    @http_only
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})
        await send({"type": "http.response.body"})
        raise ValueError("after all")

    assert asked(app).parts() == (204, [], b"")
    assert "ValueError: after all" in capsys.readouterr().err


def test_an_application_is_told_that_the_client_is_gone_when_its_answer_is_complete():
    heard: list[str] = []

    @http_only
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        listening = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        assert not listening.done()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"\xe4")]})
        await send({"type": "http.response.body", "body": b"hi"})
        heard.append((await listening)["type"])

    assert asked(app).parts() == (200, [("a", "ä")], b"hi")
    assert heard == ["http.request", "http.disconnect"]


@http_only
async def silent(_scope: Any, _receive: Any, _send: Any) -> None: ...


@http_only
async def half(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})


@http_only
async def early(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b"a"})


@http_only
async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
    raise KeyError("x")


@pytest.mark.parametrize(
    ("app", "error", "told"),
    [
        (silent, RuntimeError, "gave no complete response"),
        (early, RuntimeError, "'http.response.body', which has no place here"),
        (broken, KeyError, "x"),
    ],
)
def test_an_application_without_an_answer_fails_the_handler(app: Any, error: type[Exception], told: str):
    with pytest.raises(error, match=told):
        asked(app)


def test_an_answer_that_breaks_off_is_told_to_who_reads_it():
    async def read() -> list[bytes]:
        answer = await asgi.fetch(half, Request("http://a/"), Env({}))
        stream = aiter(answer.body or pytest.fail("no body"))
        read: list[bytes] = [await anext(stream)]
        with pytest.raises(RuntimeError, match="gave no complete response"):
            await anext(stream)
        return read

    assert asyncio.run(read()) == [b"a"]


def test_an_endless_answer_goes_as_far_as_it_is_read():
    made: list[int] = []

    @http_only
    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        for number in range(1_000_000):
            made.append(number)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def read() -> int:
        answer = await asgi.fetch(endless, Request("http://a/"), Env({}), ExecutionContext())
        stream = aiter(answer.body or pytest.fail("no body"))
        for _ in range(10):
            await anext(stream)
        for _ in range(50):
            await asyncio.sleep(0)
        return len(made)

    assert asyncio.run(read()) <= 10 + asgi.AHEAD + 2


def test_who_leaves_in_the_midst_of_an_answer_is_told_to_the_application():
    heard: list[str] = []
    told = asyncio.Event()

    @http_only
    async def talks(_scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        heard.append((await receive())["type"])
        await send({"type": "http.response.body", "body": b"nobody hears it", "more_body": True})
        told.set()

    async def leave() -> None:
        ctx = ExecutionContext()
        answer = await asgi.fetch(talks, Request("http://a/"), Env({}), ctx)
        stream = aiter(answer.body or pytest.fail("no body"))
        assert await anext(stream) == b"x"
        await stream.aclose()
        await told.wait()

    asyncio.run(leave())
    assert heard == ["http.request", "http.disconnect"]


def test_the_body_of_a_request_comes_as_it_is_read():
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece

    async def gather(request: Asked) -> JSONResponse:
        return JSONResponse([piece.decode() async for piece in request.stream()])

    async def ask() -> Any:
        app = Starlette(routes=[Route("/", gather, methods=["POST"])])
        asked = Request("http://a/", method="POST", body=pieces())
        return await (await asgi.fetch(app, asked, Env({}))).json()

    assert asyncio.run(ask()) == ["a", "b", "c", ""]


def test_an_application_starts_up_once_and_finds_its_state_in_each_request():
    began: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[dict[str, str]]:
        began.append("up")
        yield {"pool": "open"}

    async def page(request: Asked) -> PlainTextResponse:
        return PlainTextResponse(request.state.pool)

    async def ask() -> list[str]:
        app = Starlette(routes=[Route("/", page)], lifespan=lifespan)
        answers = [await asgi.fetch(app, Request("http://a/"), Env({})) for _ in range(3)]
        return [await answer.text() for answer in answers]

    assert asyncio.run(ask()) == ["open"] * 3
    assert began == ["up"]


def test_an_application_that_cannot_start_fails_each_request_until_it_can():
    tries: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        tries.append("up")
        if len(tries) < 3:
            raise OSError("no database")
        yield

    async def page(_request: Asked) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def ask() -> str:
        app = Starlette(routes=[Route("/", page)], lifespan=lifespan)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"(?s)failed to start up.*no database"):
                await asgi.fetch(app, Request("http://a/"), Env({}))
        return await (await asgi.fetch(app, Request("http://a/"), Env({}))).text()

    assert asyncio.run(ask()) == "ok"


def test_there_are_no_websockets():
    with pytest.raises(TypeError, match="no WebSockets"):
        asyncio.run(asgi.websocket(None, None))


def test_a_request_that_is_given_up_ends_its_application():
    async def give_up() -> bool:
        began, ended = asyncio.Event(), asyncio.Event()

        @http_only
        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            try:
                began.set()
                await asyncio.sleep(60)
            finally:
                ended.set()

        task = asyncio.ensure_future(asgi.fetch(app, Request("http://a/"), Env({}), ExecutionContext()))
        await began.wait()
        task.cancel()
        await ended.wait()
        return True

    assert asyncio.run(give_up())
