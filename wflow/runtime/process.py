"""The runtime: one process that runs one version of user code, at the end of one link. It owns nothing durable."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wflow.bundle import manifest as manifests
from wflow.engine import values
from wflow.errors import LinkError, LoadError, WflowError
from wflow.link import frames
from wflow.link.channel import Channel, connect
from wflow.runtime import event, loader, worker
from wflow.runtime.attempt import THREADS
from wflow.runtime.context import Context
from wflow.runtime.env import Env, build
from wflow.runtime.failures import error_of
from wflow.runtime.outbox import Outbox
from wflow.runtime.output import Lines, Output
from wflow.runtime.turn import State, Turn

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

LINGER_S: Final = 0.02
"""An attempt that lasts longer is told before it ends, so that it counts if the process dies."""
GRACE_S: Final = 10.0
"""How long an instance at rest stays in memory."""
PARENT_S: Final = 1.0
"""How often a runtime looks whether its runner lives, besides listening to the link."""
CALL_BYTES: Final = 64 * 1024 * 1024
"""What the arguments of one binding call may take."""


class Runtime:
    """Plays turns, answers requests, and says everything over the link."""

    def __init__(self) -> None:
        """Make an empty one on the running loop; `serve` connects it."""
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="wflow-step")
        self.draining = False
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self.channel: Channel[frames.ToRuntime] = Channel(frames.ToRuntime, self._hear, self._lost)
        self.outbox = Outbox(self.channel.send)
        self.output = Output(self._loop, self.channel.send)
        self._manifest: manifests.Manifest | None = None
        self._code = loader.Code()
        self._env = Env({})
        self._turns: dict[int, Turn] = {}
        self._resting: dict[int, float] = {}
        self._young: list[tuple[Turn, str]] = []
        self._old: list[tuple[Turn, str]] = []
        self._calls: dict[int, asyncio.Future[object]] = {}
        self._fetches: set[asyncio.Task[None]] = set()
        self._next_call = 0

    async def serve(self, sock: socket.socket) -> None:
        """Talk over ``sock`` until the runner hangs up."""
        await connect(self.channel, sock)
        self.channel.send(frames.Hello(frames.PROTOCOL, os.getpid()))
        self._loop.call_later(GRACE_S / 2, self._sweep)
        await self._gone.wait()

    # -- what turns use ----------------------------------------------------------------------------------------

    def began(self, turn: Turn, key: str) -> None:
        """Look at an attempt again when it has lasted a while."""
        if not self._young and not self._old:
            self._loop.call_later(LINGER_S, self._announce)
        self._young.append((turn, key))

    def rested(self, turn: Turn) -> None:
        """Keep a turn that rests in memory for a while."""
        self._resting[turn.instance] = self._loop.time() + GRACE_S

    def left(self, turn: Turn, *, released: bool) -> None:
        """Forget a turn."""
        if self._turns.get(turn.instance) is turn:
            del self._turns[turn.instance]
            self._resting.pop(turn.instance, None)
        if released:
            self.channel.send(frames.Released([turn.instance]))

    # -- what the runner says ----------------------------------------------------------------------------------

    def _hear(self, messages: list[frames.ToRuntime]) -> None:
        for message in messages:
            match message:
                case frames.Acked(batch, refused):
                    self.outbox.acked(batch, refused)
                case frames.Play(turns):
                    self._play(turns)
                case frames.Reply():
                    self._reply(message)
                case frames.Fetch():
                    task = self._loop.create_task(self._fetch(message))
                    self._fetches.add(task)
                    task.add_done_callback(self._fetches.discard)
                case frames.Deliver(instance, received):
                    if turn := self._turns.get(instance):
                        turn.receive(received)
                case frames.Drop(instances):
                    for instance in instances:
                        if turn := self._turns.get(instance):
                            turn.drop()
                case frames.Load():
                    self._load(message)
                case frames.Drain():
                    self.draining = True
                    for turn in list(self._turns.values()):
                        turn.drain()

    def _lost(self, error: LinkError | None) -> None:
        if error is not None:
            sys.__stderr__ and print(f"wflow runtime: {error.message}", file=sys.__stderr__)
        self._gone.set()

    def _load(self, load: frames.Load) -> None:
        try:
            self._manifest = manifests.decode(load.manifest)
            sys.stdout, sys.stderr = Lines(self.output, "info"), Lines(self.output, "error")
            self._code = loader.load(Path(load.root), self._manifest)
            self._env = build(self._manifest, load.secrets, self.call)
        except LoadError as error:
            self.channel.send(
                frames.NotLoaded(error.message, error.trace, error.file, error.line, error.hint)
            )
        except WflowError as error:
            self.channel.send(frames.NotLoaded(error.message, "", None, None, error.hint))
        else:
            gc.collect()
            gc.freeze()
            self.channel.send(frames.Loaded(list(self._code.workflows), self._code.handlers()))
        finally:
            asyncio._set_running_loop(self._loop)  # noqa: SLF001 - the loader takes it away while user code imports

    def _play(self, turns: Sequence[frames.Turn]) -> None:
        missing = []
        for spec in turns:
            turn = self._turns.get(spec.instance)
            if spec.records is None:
                self._resting.pop(spec.instance, None)
                if turn is None or not turn.resume(spec):
                    missing.append(spec.instance)
                continue
            if turn is not None:
                turn.drop()
            self._start(spec)
        if missing:
            self.channel.send(frames.Missing(missing))

    def _start(self, spec: frames.Turn) -> None:
        assert self._manifest is not None
        limits = {entry.name: entry.step_limit for entry in self._manifest.workflows}
        cls = self._code.workflows[spec.workflow]

        def run(turn: Turn) -> Coroutine[Any, Any, object]:
            return _run(cls, Context(turn, self.output), self._env, spec)

        turn = Turn(spec, self, run, step_limit=limits[spec.workflow])
        self._turns[spec.instance] = turn
        turn.play()

    async def _fetch(self, fetch: frames.Fetch) -> None:
        status, headers, body = await worker.answer(self._code.worker, self._env, fetch)
        self.channel.send(frames.Fetched(fetch.call, status, headers, body))

    # -- binding calls -----------------------------------------------------------------------------------------

    async def call(self, binding: str, method: str, arguments: list[object]) -> object:
        """Call a binding's provider in the runner; raises what the provider raised."""
        self._next_call += 1
        number = self._next_call
        raw = values.encode(arguments, limit=CALL_BYTES)
        future: asyncio.Future[object] = self._loop.create_future()
        self._calls[number] = future
        self.channel.send(frames.Call(number, binding, method, raw))
        try:
            return await future
        finally:
            del self._calls[number]

    def _reply(self, reply: frames.Reply) -> None:
        future = self._calls.get(reply.call)
        if future is None or future.done():
            return
        if reply.failure is None:
            future.set_result(values.decode(reply.value))
        else:
            future.set_exception(error_of(reply.failure))

    # -- now and then ------------------------------------------------------------------------------------------

    def _announce(self) -> None:
        """Announce what has lasted from the look before this one; between two looks every task has had its turn."""
        old, self._old, self._young = self._old, self._young, []
        for turn, key in old:
            turn.announce(key)
        if self._old:
            self._loop.call_later(LINGER_S, self._announce)

    def _sweep(self) -> None:
        """Let go of what has rested for a while; it goes on from its journal when it is due."""
        self._loop.call_later(GRACE_S / 2, self._sweep)
        due = self._loop.time()
        evicted = [instance for instance, until in self._resting.items() if until <= due]
        for instance in evicted:
            turn = self._turns.get(instance)
            if turn is not None and turn.state is State.RESTING:
                turn.drop()
        if evicted:
            self.channel.send(frames.Evicted(evicted))


async def _run(cls: type, context: Context, env: Env, spec: frames.Turn) -> object:
    """Run the user's `run`; made here, so that what its __init__ raises is the instance's failure."""
    entry = cls(context, env)
    return await entry.run(event.opening(spec), context)


def main(descriptor: int) -> None:
    """Be a runtime on the link at the file descriptor, until the runner hangs up; then end at once."""
    import uvloop

    # Instances in memory are many small objects that live long; looking through them all every few hundred
    # allocations would take a third of the time of a step.
    gc.set_threshold(50_000, 20, 100)
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    threading.Thread(target=_watch_parent, daemon=True).start()

    async def serve() -> None:
        await Runtime().serve(sock)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
        # User code may have threads that never end, and a runtime has nothing to put in order.
        os._exit(0)


def _watch_parent() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_S)
    os._exit(0)
