"""One life of a runner under test: it runs in this process, and ends in order, or all at once."""

from __future__ import annotations

import asyncio
import contextvars
import os
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from wflow.runner import creations
from wflow.runner.peer import Peer
from wflow.runner.runner import Runner
from wflow.runtime import process
from wflow.runtime.attempt import here
from wflow.runtime.home import PLAYING
from wflow.stores import sqlite
from wflow.testing.writes import Watched

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from wflow.link import frames
    from wflow.runtime.code import Code
    from wflow.stores.store import New, Store
    from wflow.testing.fate import Fate
    from wflow.testing.under_test import UnderTest

BURIAL_S: Final = 5.0
"""How long what ran may take to end when its process dies: steps in threads are waited for."""

ROUNDS: Final = 100
QUIET: Final = 5
SECRET: Final = bytes(16)
"""What the chance of instances comes from that steps create: the same in each run of a test."""
"""Passes of the loop in which nothing of it is left."""

_Step = tuple[int, str]
Tasks = dict["asyncio.Task[Any]", "tuple[_Step | None, asyncio.Task[Any] | None]"]
"""Tasks that are not over: the step that began each of them, if one did, and the task in which it did."""

_life: contextvars.ContextVar[World | None] = contextvars.ContextVar("wflow_testing_life", default=None)


class Guest(Protocol):
    """Who looks into the lives that it has begun: the kit of a test."""

    def handed(self, code: Code, spec: frames.Turn) -> None:
        """Prepare the code of an instance before it runs."""
        ...

    def named(self, method: str, arguments: list[object]) -> list[object]:
        """Give what is to be created an id that is the same in each run of the test."""
        ...

    async def created(self, new: New, key: int) -> None:
        """Hear that an instance was created."""
        ...


class Runtime(process.Runtime):
    """A runtime in the process of the test: it hijacks nothing, and tells which of its steps merely wait."""

    def __init__(self, load: process.Load, guest: Guest, tasks: Tasks) -> None:
        """Load by ``load``; ``guest`` is who tests, ``tasks`` are those of this life."""
        super().__init__(load)
        self._guest = guest
        self._tasks = tasks
        self._results: list[tuple[_Step, asyncio.Task[Any] | None]] = []

    @property
    def waiting(self) -> int:
        """How many claims do nothing but wait for results of other instances."""
        found = 0
        for turn in self._turns.values():
            keys = turn.steps.running.attempts
            if keys and turn.state is PLAYING:
                found += all(self._waits((turn.instance, key)) for key in keys)
        return found

    @property
    def requests_waiting(self) -> int:
        """How many results are waited for by what is no instance: requests of the Worker."""
        return sum(not instance for (instance, _), _ in self._results)

    def handed(self, code: Code, spec: frames.Turn) -> Code:
        """Let whoever tests prepare the code."""
        self._guest.handed(code, spec)
        return code

    async def call(self, binding: str, method: str, arguments: list[object]) -> object:
        """Call a binding's provider, and note it if that is to wait."""
        place = here.get()
        if place is None or not place.step:  # what a step creates has the same id each time as it is
            arguments = self._guest.named(method, arguments)
        if method != "result":
            return await super().call(binding, method, arguments)
        waiter = ((place.instance, place.step) if place else (0, ""), asyncio.current_task())
        self._results.append(waiter)
        try:
            return await super().call(binding, method, arguments)
        finally:
            self._results.remove(waiter)

    def _waits(self, step: _Step) -> bool:
        """Tell whether a step waits for results alone: each task that it began does, or waits for one."""
        waiters = [task for place, task in self._results if place == step]
        if not waiters:
            return False
        begun = {task: parent for task, (place, parent) in self._tasks.items() if place == step}
        return not begun.keys() - {*waiters, *begun.values()}


class _Embodied:
    """What a `Peer` takes for a process."""

    def __init__(self, runtime: Runtime, sock: socket.socket, over: Callable[[], None]) -> None:
        self.pid = os.getpid()
        self._runtime = runtime
        self._task = asyncio.get_running_loop().create_task(runtime.serve(sock))
        self._task.add_done_callback(lambda _: over())

    def kill(self) -> None:
        self._runtime.close()


class World:
    """A runner over the store in ``folder``, with its runtime."""

    def __init__(self, store: Watched, project: UnderTest, guest: Guest) -> None:
        """Begin by `begin`."""
        self.store = store
        self.runner: Runner
        self.runtimes: list[Runtime] = []
        self.tasks: Tasks = {}
        self._project = project
        self._guest = guest

    @classmethod
    async def begin(cls, folder: Path, project: UnderTest, fate: Fate, guest: Guest) -> World:
        """Open the store and run what is in it. Raises LoadError for code that does not load."""
        real = await sqlite.connect(str(folder))
        self = cls(Watched(real, fate, guest.created), project, guest)
        task = asyncio.get_running_loop().create_task(self._begin(folder), context=self._context())
        await asyncio.wait([task, self.store.died], return_when=asyncio.FIRST_COMPLETED)
        if task.done() and task.exception() is not None:
            await self.bury()
            task.result()
        return self

    @property
    def dead(self) -> bool:
        """Whether it has died."""
        return self.store.dead

    @property
    def busy(self) -> bool:
        """Whether anything of it goes on, or is on its way; ask when the loop is idle."""
        runner = self.runner
        waiting = sum(runtime.waiting for runtime in self.runtimes)
        return bool(self.store.under_way) or runner.admission.running > waiting

    async def close(self) -> None:
        """End it in order."""
        await self.runner.close()
        await self._end()

    async def bury(self) -> None:
        """End it as its process would end: nothing is given back, nothing is said.

        What was being written is waited for, and so are steps in threads, which cannot be ended; nobody hears
        how they end.
        """
        self.store.die()
        await self.store.settled()
        for runtime in self.runtimes:
            runtime.close()
        quiet = 0
        for _ in range(ROUNDS):
            # What ends may begin something else, once the loop has come to it.
            left = [task for task in self.tasks if not task.done()]
            quiet = 0 if left else quiet + 1
            if quiet == QUIET:
                break
            for task in left:
                task.cancel()
            await (asyncio.wait(left, timeout=BURIAL_S / ROUNDS) if left else asyncio.sleep(0))
        await self._end()

    async def _begin(self, folder: Path) -> None:
        project = self._project

        def spawn(theirs: socket.socket, _folder: Path, _seed: int, over: Callable[[], None]) -> _Embodied:
            sock = theirs.dup()
            sock.settimeout(0)
            runtime = Runtime(project.load, self._guest, self.tasks)
            self.runtimes.append(runtime)
            return _Embodied(runtime, sock, over)

        await creations.keep(self.store.real, SECRET)
        self.runner = await Runner.over(
            cast("Store", self.store),  # it answers for all that a store has
            folder / "versions",
            peers=lambda listener: Peer(listener, spawn),
            schedules="never",
        )
        build = project.build
        self.runner.registry.activate(build)
        await self.runner.fleet.peer(build.version)
        self.runner.execute()

    async def _end(self) -> None:
        for runtime in self.runtimes:
            await asyncio.to_thread(runtime.threads.shutdown, wait=True, cancel_futures=True)
        if hasattr(self, "runner"):  # its databases' threads end, and what they were doing is done
            await self.runner.databases.close()
        await self.store.real.close()

    def _context(self) -> contextvars.Context:
        context = contextvars.copy_context()
        context.run(_life.set, self)
        return context


def kept(loop: asyncio.AbstractEventLoop) -> None:
    """Have a loop know of each of its tasks whose life it belongs to."""

    def made(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **options)
        context = options.get("context")
        life = _life.get() if context is None else context.get(_life)
        if life is not None:
            place = here.get() if context is None else context.get(here)
            step = None if place is None else (place.instance, place.step)
            life.tasks[task] = step, asyncio.current_task(loop) if loop.is_running() else None
            task.add_done_callback(life.tasks.pop)
        return task

    loop.set_task_factory(made)
