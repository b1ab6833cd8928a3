"""Serves an ASGI app on sockets of our own, within an event loop of our own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

TRIES: Final = 50
"""How many ports after the wanted one are tried when it is taken."""
PORTS: Final = 65_536
BACKLOG: Final = 2_048
GOODBYE_S: Final = 1
"""How long requests may go on when the server ends."""
PING_S: Final = 20.0
"""So often a WebSocket's client is asked whether it is still there, and so long it may take to say so."""
SAID_BYTES: Final = 4 * 1_024
"""One message of a WebSocket's client, which is not listened to anyway."""


def bind(ip: str, port: int, *, tries: int = 1) -> list[socket.socket]:
    """Listen on a port, or on the next free one of ``tries``; 0 takes any.

    ``localhost`` means both 127.0.0.1 and, where the machine has it, ::1. Raises UsageError when none is
    free.
    """
    # What is free on 127.0.0.1 may be taken on ::1: any port is tried more than once as well.
    wanted = list(range(port, min(port + tries, PORTS))) if port else [0] * TRIES
    for each in wanted:
        try:
            return _bind_all(ip, each)
        except OSError as taken:
            if taken.errno != errno.EADDRINUSE:
                raise UsageError(f"cannot listen on {ip}:{each}: {taken.strerror or taken}") from taken
    last = f" to {wanted[-1]}" if len(wanted) > 1 else ""
    raise UsageError(f"port {port}{last} on {ip} is taken", hint="choose another with --port")


@contextlib.contextmanager
def closing(sockets: list[socket.socket]) -> Iterator[list[socket.socket]]:
    """Close the sockets after the block."""
    try:
        yield sockets
    finally:
        for sock in sockets:
            sock.close()


def bind_unix(path: Path) -> socket.socket:
    """Listen on a unix socket that only its owner can reach."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    path.chmod(0o600)
    sock.listen(BACKLOG)
    return sock


@contextlib.asynccontextmanager
async def serving(app: Any, sockets: list[socket.socket]) -> AsyncIterator[None]:
    """Answer on the sockets while the block runs; it begins when connections are taken."""
    import uvicorn

    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="error",  # what strangers send that is no HTTP is nobody's business
        server_header=False,
        http="httptools",
        ws=_websocket,  # type: ignore[arg-type]  # it is called as the class would be
        ws_max_size=SAID_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GOODBYE_S,
    )
    server = _server()(config)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=sockets))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.001)
    try:
        yield
    finally:
        server.leave()
        with _quiet():
            await task


def prepare() -> None:
    """Import what serves, which takes long; for whoever has something else to do meanwhile."""
    from uvicorn.protocols.http import httptools_impl

    _server()
    del httptools_impl


def _websocket(**given: Any) -> asyncio.Protocol:
    """Load what speaks WebSocket with the first one, and not at the start: it takes 15 ms."""
    return _websockets()(**given)


@functools.cache
def _websockets() -> type[asyncio.Protocol]:
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    class Sockets(WebSocketsSansIOProtocol):
        async def send(self, message: Any) -> None:
            """Know a refusal for an end; uvicorn would log an error, for want of a handshake."""
            await super().send(message)
            self.handshake_complete |= self.close_sent

    return Sockets


@functools.cache
def _server() -> type[Any]:
    import uvicorn

    class Server(uvicorn.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            self._leaving = asyncio.Event()

        def leave(self) -> None:
            """End at once, and not with the next tick."""
            self.should_exit = True
            self._leaving.set()

        async def main_loop(self) -> None:
            """Do once a second what uvicorn does then."""
            while not await self.on_tick(0):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self._leaving.wait()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave the process's signals to the process."""
            yield

    return Server


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of an answer that broke off: whoever sent it has told so, and why."""
    return record.msg != "ASGI callable returned without completing response."


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep uvicorn from showing a traceback for each request that has to be cut in the end."""
    log = logging.getLogger("uvicorn.error")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _bind_all(ip: str, port: int) -> list[socket.socket]:
    addresses = ["127.0.0.1", "::1"] if ip == "localhost" else [ip]
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sock = _bind_one(address, port)
            if sock is not None:
                sockets.append(sock)
                port = sock.getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_one(address: str, port: int) -> socket.socket | None:
    six = ":" in address
    try:
        sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
    except OSError as refused:
        # A machine without IPv6 has no ::1; localhost is 127.0.0.1 alone there.
        if address == "::1" and refused.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            return None
        raise
    return sock
