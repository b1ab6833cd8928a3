"""A SmallHost behind a real server on a loopback socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import uvicorn

from tests.server.small_host import SmallHost, site_of
from wflow import stores
from wflow.server.app import build
from wflow.server.auth import LoopbackAuth
from wflow.server.front import DEV

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from wflow.server.auth import Auth
    from wflow.stores.store import Store


class Live:
    """Listens from the moment it is made; `run` makes a coroutine run on its loop."""

    def __init__(self, folder: Path, *, auth: Auth | None = None, unix: Path | None = None) -> None:
        self._folder = folder
        self._auth = auth or LoopbackAuth()
        self._socket = _listening(unix)
        self.port = 0 if unix else self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._up: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._loop = self._up.result(timeout=20)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=20)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)

    async def _serve(self) -> None:
        try:
            store: Store = await stores.connect(f"sqlite://{self._folder}")
            self.host = SmallHost(store)
            app = build(self.host, auth=self._auth, front=DEV)
            config = uvicorn.Config(
                app, lifespan="off", log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=0
            )
            self._server = uvicorn.Server(config)
            self.site = site_of(app)
        except BaseException as error:
            self._up.set_exception(error)
            raise
        self._up.set_result(asyncio.get_running_loop())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            await store.close()


def _listening(unix: Path | None) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    listening.bind(str(unix) if unix else ("127.0.0.1", 0))
    listening.listen()
    return listening
