"""`wflow runner start`: a runner on this machine, with tokens, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from wflow import __version__
from wflow.runner.listen import bind, prepare, serving
from wflow.runner.runner import Runner
from wflow.runner.terminal import Terminal
from wflow.runner.url import url_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from wflow.runner.options import ServeOptions

FIRST_TOKEN: Final = "admin"  # noqa: S105 - the name of the token, not its text


def run(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises UsageError for a port that is taken, StoreBusy for a folder in use.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(_serve(options))


async def _serve(options: ServeOptions) -> None:
    stopped = stop_signal()
    data = options.data_dir
    url = options.store or f"sqlite://{data}"
    runner = await Runner.open(url, data / "versions", processes=options.processes)
    try:
        sockets = bind(options.ip, options.port)
        # While what speaks HTTP is imported, what is unfinished goes on.
        runner.execute()
        await asyncio.to_thread(import_http)
        from wflow.server import app, front
        from wflow.server.auth import TokenAuth

        first = await _first_token(runner)
        auth = TokenAuth(store=runner.store, now=runner.now)
        terminal = Terminal(options.log_level)
        async with serving(app.build(runner, auth=auth, front=front.RUNNER), sockets):
            url = url_of(options.ip, sockets)
            terminal.say(f"wflow {__version__} runner, data in {data}")
            if first is not None:
                terminal.say("Admin token, shown this once (keep it; `wflow login` asks for it):")
                sys.stdout.write(f"{first}\n")
                sys.stdout.flush()
                terminal.say(f"  wflow login --url {url}")
            terminal.info(f"Ready on {url}")
            async with following(runner, terminal):
                await stopped.wait()
            runner.feed.close()
            terminal.say("Stopping; what is unfinished goes on at the next start.")
    finally:
        await runner.close()


def import_http() -> None:
    """Import what answers requests; that takes long, and can be done while runtimes come up."""
    from wflow.server import app, front

    del app, front
    prepare()


@contextlib.asynccontextmanager
async def following(runner: Runner, terminal: Terminal) -> AsyncIterator[None]:
    """Print the runner's lines on the terminal while the block runs."""
    task = asyncio.get_running_loop().create_task(terminal.follow(runner))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def stop_signal() -> asyncio.Event:
    """Give an event that SIGINT and SIGTERM set; a second one ends the process at once."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopped.is_set():
            sys.exit(130)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return stopped


async def until(stopped: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` until it is done, or give it up at once when ``stopped`` is set."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(work), loop.create_task(stopped.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        await tasks[0]


async def _first_token(runner: Runner) -> str | None:
    """Make the admin token of a new runner; None when there are tokens already."""
    from wflow.server import tokens

    if await tokens.find(runner.store, now=runner.now()):
        return None
    _, text = await tokens.create(runner.store, FIRST_TOKEN, "admin", now=runner.now())
    return text
