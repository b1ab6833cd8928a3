"""`wflow dev`: a runner over the project as it lies, which takes up every file that is saved."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from wflow import __version__
from wflow.bundle import prebuild
from wflow.bundle.declared import declared
from wflow.config.load import load
from wflow.config.secrets import dev_vars, missing
from wflow.errors import LoadError, WflowError
from wflow.runner import address, hotkeys, own_environment, watch
from wflow.runner.listen import TRIES, bind, closing, serving
from wflow.runner.lookout import Lookout
from wflow.runner.peer import Outdated
from wflow.runner.project import VERSION, build_of
from wflow.runner.runner import Runner
from wflow.runner.serve import following, import_http, stop_signal, until
from wflow.runner.terminal import Terminal
from wflow.runner.url import url_of
from wflow.runtime import clock

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from wflow.config.model import Project
    from wflow.runner.options import DevOptions
    from wflow.runner.peer import Peer
    from wflow.runner.registry import Build
    from wflow.server.app import App

NEXT_S: Final = 0.05
"""What was loaded answers first; then a process comes up for the next save."""
SHOWN: Final = 3
"""Files that are named when they have changed; the others are counted."""
KEPT: Final = "The code before it keeps running."
KINDS: Final = {
    "d1": "D1 Database",
    "kv": "KV Namespace",
    "queue": "Queue",
    "service": "Worker",
    "workflow": "Workflow",
}


def run(project: Project, options: DevOptions) -> None:
    """Serve the project until it is told to stop. Raises UsageError and StoreBusy before anything began."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(_Session(project, options).serve())


class _Session:
    def __init__(self, project: Project, options: DevOptions) -> None:
        self._project = project
        self._options = options
        self._terminal = Terminal(options.log_level)
        self._runner: Runner
        self._lookout: Lookout
        self._spare: asyncio.Task[Peer] | None = None
        self._libraries: list[str] = []
        self._built_at = 0.0
        self._packages: Path | None = None

    async def serve(self) -> None:
        """Come up, load the code, and go on until told to stop."""
        stopped = stop_signal()
        options, terminal = self._options, self._terminal
        state = options.persist_to or self._project.root / ".wflow" / "state"
        with closing(bind(options.ip, options.port, tries=TRIES)) as sockets:
            self._runner = runner = await Runner.open(
                f"sqlite://{state}",
                state / "versions",
                processes=options.processes,
                schedules="live" if options.schedules else "never",
            )
            self._lookout = Lookout(runner, terminal)
            self._warm(0)
            try:
                terminal.say(f"wflow {__version__}\n{'─' * 40}")
                async with following(runner, terminal):
                    await until(stopped, self._run(sockets, stopped))
            finally:
                if self._spare is not None:
                    self._spare.cancel()
                    await asyncio.gather(self._spare, return_exceptions=True)
                await self._lookout.close()
                await runner.close()

    async def _run(self, sockets: list[socket.socket], stopped: asyncio.Event) -> None:
        """Load the code, answer, and reload at every change; one during a reload is taken up after it."""
        url = url_of(self._options.ip, sockets)
        async with aclosing(watch.changes(self._project.path, self._inputs())) as changes:
            await anext(changes)
            await self._prebuild(None)
            build = self._read()
            self._show_bindings(build)
            self._terminal.say("⎔ Starting local server...")
            # While the code is imported there, what speaks HTTP is imported here.
            loaded, _ = await asyncio.gather(self._swap(build), asyncio.to_thread(import_http))
            # Who came before the code was there has waited in the sockets' backlog.
            async with serving(self._app(), sockets):
                self._runner.execute()
                self._announce(url)
                if loaded:
                    self._lookout.look(build)
                try:
                    with address.announced(self._project.root, url), self._keys(url, stopped):
                        async for paths in changes:
                            await self._reload(paths)
                finally:
                    self._runner.feed.close()
                    self._terminal.say("⎔ Shutting down local server...")

    async def _reload(self, paths: set[Path]) -> None:
        began = time.perf_counter()
        shown = sorted(str(path.relative_to(self._project.root)) for path in paths)
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        self._terminal.say(f"⎔ Reloading local server... ({', '.join(shown[:SHOWN])}{more})")
        with self._runner.holding_requests():
            try:
                options = self._options
                self._project = load(path=self._project.path, environment=options.environment)
                await self._prebuild(paths)
                build = self._read()
                loaded = await self._swap(build)
            except WflowError as wrong:
                self._complain(wrong)
                self._terminal.say(KEPT)
                loaded = False
        if loaded:
            self._terminal.info(f"Reloaded in {(time.perf_counter() - began) * 1000:.0f} ms")
            self._lookout.look(build)

    def _inputs(self) -> list[Path]:
        """Name the folders whose files the project's own build is made of."""
        build = self._project.build
        return [(self._project.root / folder).resolve() for folder in build.watch_dir if build.command]

    async def _prebuild(self, changed: set[Path] | None) -> None:
        """Run the project's own build, unless what changed is none of its inputs, or what it made itself."""
        inputs = self._inputs()
        if not inputs:
            return
        if changed is not None:
            news = [path for path in changed if any(path.is_relative_to(folder) for folder in inputs)]
            if not any(path.exists() and path.stat().st_mtime * 1000 > self._built_at for path in news):
                return
        await asyncio.to_thread(prebuild.run, self._project, "dev", self._terminal.say)
        self._built_at = clock.now()

    def _read(self) -> Build:
        """Read the project's secrets and make its build; flags win over files."""
        secrets, files = dev_vars(self._project, self._options.env_files)
        for file in files:
            self._terminal.say(f"Using secrets defined in {file.name}")
        if lacking := missing(self._project, {**secrets, **self._options.vars}):
            self._terminal.warn(f"Missing required secrets: {', '.join(lacking)}; write them into .dev.vars")
        self._packages, note = own_environment.packages(self._project.root)
        if note is not None:
            self._terminal.warn(note)
        given = {**secrets, **self._options.vars}
        return build_of(self._project, given, self._runner.now(), packages=self._packages)

    async def _swap(self, build: Build) -> bool:
        """Load a build in a fresh process and give it the work; the one before it stays if that fails."""
        runner = self._runner
        try:
            await runner.declare(build)
            peer = await self._loaded(build)
        except WflowError as wrong:
            self._complain(wrong)
            if runner.fleet.current(VERSION) is None:
                # There is nothing to go on with: requests are told, and a good save brings it up.
                runner.registry.activate(build)
            else:
                self._terminal.say(KEPT)
            return False
        finally:
            self._warm(NEXT_S)
        runner.registry.activate(build)
        runner.fleet.replace(VERSION, peer)
        runner.admission.mended(VERSION)
        return True

    async def _loaded(self, build: Build) -> Peer:
        """Have a build loaded, by the process that waits for it; raises LoadError and LinkError."""
        peer = await self._take_spare()
        try:
            await _load(peer, build)
        except Outdated:
            peer = await self._runner.fleet.spare(self._project.root)
            await _load(peer, build)
            self._libraries = []  # what was in the way may still be there at the next save
        else:
            self._libraries = peer.libraries
        return peer

    def _app(self) -> App:
        from wflow.server import app, front
        from wflow.server.auth import LoopbackAuth

        names = frozenset({self._options.ip.lower()})
        return app.build(self._runner, auth=LoopbackAuth(names=names), front=front.DEV)

    def _warm(self, after_s: float) -> None:
        """Have a process ready for the next reload, which has what the code imports of others."""

        async def come_up() -> Peer:
            if after_s:
                await asyncio.sleep(after_s)
            peer = await self._runner.fleet.spare(self._project.root)
            if self._libraries:
                peer.warm(self._libraries, self._packages)
            return peer

        self._spare = asyncio.get_running_loop().create_task(come_up())

    async def _take_spare(self) -> Peer:
        task, self._spare = self._spare, None
        if task is not None:
            with contextlib.suppress(WflowError):
                peer = await task
                if peer.alive:
                    return peer
        return await self._runner.fleet.spare(self._project.root)

    def _complain(self, wrong: WflowError) -> None:
        text = wrong.message
        if isinstance(wrong, LoadError) and wrong.trace:
            text += "\n" + "\n".join(f"    {line}" for line in wrong.trace.rstrip().splitlines())
        self._terminal.error(text)
        if wrong.hint:
            self._terminal.say(f"hint: {wrong.hint}")

    def _show_bindings(self, build: Build) -> None:
        entries = {entry.binding: entry.class_name for entry in build.manifest.workflows}
        rows = [
            (f"env.{one.name} ({entries.get(one.name, one.resource)})", KINDS[one.kind], "local")
            for one in declared(build.manifest)
        ]
        variables = {**build.manifest.vars, **dict.fromkeys(build.secrets)}
        for name, value in variables.items():
            shown = "hidden" if name in build.secrets else repr(value)
            rows.append((f"env.{name} ({shown})", "Environment Variable", "local"))
        rows += [(f"env.{name}", key, "not supported") for name, key in build.manifest.unserved.items()]
        if not rows:
            return
        rows = [("Binding", "Resource", "Mode"), *rows]
        width, middle = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
        self._terminal.say("Your Worker has access to the following bindings:")
        for left, what, mode in rows:
            self._terminal.say(f"{left:<{width}}  {what:<{middle}}  {mode}")

    def _announce(self, url: str) -> None:
        wanted = self._options.port
        got = int(url.rpartition(":")[2])
        if wanted not in {0, got}:
            self._terminal.warn(f"Port {wanted} is taken; using {got}")
        self._terminal.info(f"Ready on {url}")

    @contextlib.contextmanager
    def _keys(self, url: str, stopped: asyncio.Event) -> Iterator[None]:
        """Offer hotkeys where there is a terminal to press them on."""
        wanted = self._options.interactive
        if wanted is False or not (sys.stdin.isatty() and sys.stderr.isatty()):
            yield
            return
        with hotkeys.listening(
            {
                "b": lambda: _browse(url),
                "c": self._terminal.clear,
                "x": stopped.set,
                "q": stopped.set,
            }
        ):
            self._terminal.say(hotkeys.BOX)
            yield


async def _load(peer: Peer, build: Build) -> None:
    """Load a build, or end the process."""
    try:
        await peer.load(build)
    except (WflowError, Outdated):
        peer.draining = True
        peer.kill()
        raise


def _browse(url: str) -> None:
    import threading
    import webbrowser

    # Some systems wait for the browser to end.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
