"""A store without its runner: opened in this process for one command, behind the same API as ever."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from wflow.client.api import Remote
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.config.model import Project


@contextlib.contextmanager
def open(folder: Path, project: Project | None) -> Iterator[Remote]:  # noqa: A001 - reads `offline.open(...)`
    """Serve the store in ``folder`` on a unix socket while the block runs; nothing in it is executed.

    With a ``project`` its workflows are known, as in a dev session. Raises UsageError when there is no store,
    StoreBusy when another process holds it.
    """
    if not (folder / "wflow.sqlite").is_file():
        raise UsageError(
            f"there is no store in {folder}", hint="start `wflow dev` once, or name another folder"
        )
    with tempfile.TemporaryDirectory(prefix="wflow-") as private:
        path = Path(private) / "api.sock"
        server = _Server(folder, project, path)
        server.start()
        try:
            yield Remote(url="http://localhost", token=None, socket=path)
        finally:
            server.stop()


class _Server(threading.Thread):
    def __init__(self, folder: Path, project: Project | None, path: Path) -> None:
        super().__init__(name="wflow-offline", daemon=True)
        self._folder = folder
        self._project = project
        self._path = path
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    def start(self) -> None:
        super().start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
        self.join()

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread was started
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from wflow.runner.listen import bind_unix, serving
        from wflow.runner.project import build_of
        from wflow.runner.runner import Runner
        from wflow.server import app, front
        from wflow.server.auth import LoopbackAuth

        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        runner = await Runner.open(f"sqlite://{self._folder}", self._folder / "versions", schedules="never")
        try:
            if self._project is not None:
                runner.registry.activate(build_of(self._project, {}, runner.now()))
            async with serving(
                app.build(runner, auth=LoopbackAuth(), front=front.DEV), [bind_unix(self._path)]
            ):
                self._ready.set()
                await self._stopped.wait()
        finally:
            await runner.close()
