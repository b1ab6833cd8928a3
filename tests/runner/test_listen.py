from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import stat
import subprocess
import sys

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.stories.processes import PLAIN
from wflow.errors import UsageError
from wflow.runner import listen
from wflow.runner.listen import bind, bind_unix, closing, serving


def ports(sockets: list[socket.socket]) -> set[int]:
    return {sock.getsockname()[1] for sock in sockets}


def taken(address: str) -> socket.socket:
    """Listen somewhere else than on every address, on any port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((address, 0))
    sock.listen()
    return sock


def test_localhost_is_both_of_its_addresses_on_one_port():
    with closing(bind("localhost", 0)) as sockets:
        assert len(ports(sockets)) == 1
        assert {sock.getsockname()[0] for sock in sockets} <= {"127.0.0.1", "::1"}
        assert sockets[0].getsockname()[0] == "127.0.0.1"


def test_an_address_is_that_address_alone():
    with closing(bind("127.0.0.1", 0)) as sockets:
        assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1"]


@pytest.mark.parametrize("ip", ["127.0.0.1", "localhost"])
def test_a_port_that_is_taken_is_refused_or_the_next_free_one_is_taken(ip):
    with taken("127.0.0.1") as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on {ip} is taken") as refused:
            bind(ip, port)
        assert refused.value.hint == "choose another with --port"
        with closing(bind(ip, port, tries=20)) as sockets:
            (got,) = ports(sockets)
            assert port < got < port + 20


def test_a_port_that_is_taken_on_any_address_of_localhost_is_taken():
    with closing(bind("localhost", 0)) as sockets:
        addresses = [sock.getsockname()[0] for sock in sockets]  # a machine may have no IPv6
    for address in addresses:
        with taken(address) as other:
            port = other.getsockname()[1]
            with closing(bind("localhost", port, tries=20)) as sockets:
                assert port not in ports(sockets)


def test_there_is_no_port_beyond_the_last_one():
    with closing(bind("127.0.0.1", 65_535)), pytest.raises(UsageError, match="port 65535 on"):
        bind("127.0.0.1", 65_535, tries=50)


def test_an_address_that_is_not_of_this_machine_is_refused():
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        bind("192.0.2.1", 0)


def test_a_unix_socket_is_its_owners_alone(tmp_path):
    with bind_unix(tmp_path / "api.sock"):
        assert stat.S_IMODE((tmp_path / "api.sock").stat().st_mode) == 0o600


async def answer(request: object) -> PlainTextResponse:
    return PlainTextResponse("hello")


def app(endpoint: object = answer) -> Starlette:
    return Starlette(routes=[Route("/", endpoint)])  # type: ignore[arg-type]


def test_an_app_is_served_while_the_block_runs_and_not_after():
    async def story() -> None:
        sockets = bind("127.0.0.1", 0)
        (port,) = ports(sockets)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", **PLAIN) as client:
            async with serving(app(), sockets):
                answered = await client.get("/")
                assert answered.text == "hello"
                assert "date" in answered.headers
                assert "server" not in answered.headers
            with pytest.raises(httpx.ConnectError):
                await client.get("/")

    asyncio.run(story())


def test_a_request_under_way_is_answered_before_the_end(caplog):
    began = asyncio.Event()

    async def slow(request: object) -> PlainTextResponse:
        began.set()
        await asyncio.sleep(0.1)
        return PlainTextResponse("in time")

    async def story() -> None:
        sockets = bind("127.0.0.1", 0)
        (port,) = ports(sockets)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", **PLAIN) as client:
            async with serving(app(slow), sockets):
                asked = asyncio.create_task(client.get("/"))
                await began.wait()
            assert (await asked).text == "in time"

    asyncio.run(story())


def test_a_request_that_takes_for_ever_is_cut_without_a_word(monkeypatch, caplog):
    monkeypatch.setattr(listen, "GOODBYE_S", 0.05)
    began = asyncio.Event()

    async def endless(request: object) -> PlainTextResponse:
        began.set()
        await asyncio.sleep(600)
        raise AssertionError("it is never reached")

    async def story() -> None:
        sockets = bind("127.0.0.1", 0)
        (port,) = ports(sockets)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", **PLAIN) as client:
            async with serving(app(endless), sockets):
                asked = asyncio.create_task(client.get("/"))
                await began.wait()
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert caplog.messages == []


def test_sessions_and_runners_start_their_runtimes_before_they_load_what_speaks_http():
    script = "import sys, wflow.runner.dev, wflow.runner.serve; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert not {"uvicorn", "starlette", "httptools", "anyio", "wflow.server.app"} & set(ran.stdout.split())


def test_what_speaks_websocket_is_loaded_with_the_first_one():
    script = (
        "import asyncio, sys\n"
        "from wflow.runner.listen import bind, serving\n"
        "async def story():\n"
        "    async with serving(lambda *_: None, bind('127.0.0.1', 0)): print('websockets' in sys.modules)\n"
        "asyncio.run(story())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert ran.stdout == "False\n"


def test_a_websocket_is_served_and_one_that_is_refused_is_no_error(caplog):
    async def echo(asked: WebSocket) -> None:
        await asked.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await asked.send_text(await asked.receive_text())
            await asked.close()

    async def refuse(asked: WebSocket) -> None:
        await asked.receive()
        await asked.send_denial_response(PlainTextResponse("not you", 403))

    async def story() -> None:
        sockets = bind("127.0.0.1", 0)
        (port,) = ports(sockets)
        routes = [WebSocketRoute("/echo", echo), WebSocketRoute("/refuse", refuse)]
        async with serving(Starlette(routes=routes), sockets):
            async with connect(f"ws://127.0.0.1:{port}/echo", proxy=None) as opened:
                await opened.send("hello")
                assert await opened.recv() == "hello"
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{port}/refuse", proxy=None)
            assert refused.value.response.body == b"not you"
            async with connect(f"ws://127.0.0.1:{port}/echo", proxy=None) as opened:
                await opened.send("x" * (listen.SAID_BYTES + 1))
                with pytest.raises(ConnectionClosed):
                    await opened.recv()
                assert opened.close_code == 1009

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert caplog.messages == []
