from __future__ import annotations

import asyncio
import logging
import socket
import stat

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

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
