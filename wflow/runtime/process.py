"""The runtime: a process that runs one version of user code at the end of a link, and owns nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import socket
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from wflow.bundle import manifest as manifests
from wflow.engine import status, values
from wflow.engine.changes import Held
from wflow.engine.facts import Moved
from wflow.errors import LinkError, LoadError, WflowError, WorkflowInternalError
from wflow.link import frames
from wflow.link.channel import Channel, connect
from wflow.runtime import beginning, late, loader, workers
from wflow.runtime.ahead import Ahead, Outdated
from wflow.runtime.attempt import THREADS, Place, here
from wflow.runtime.clock import now
from wflow.runtime.context import Context
from wflow.runtime.env import Env, build
from wflow.runtime.exchanges import Exchanges
from wflow.runtime.failures import error_of, failure_of
from wflow.runtime.loop import in_order
from wflow.runtime.outbox import Outbox, Unplayed
from wflow.runtime.output import Output
from wflow.runtime.rehearsal import refuse, rehearse, unplayed
from wflow.runtime.residency import Residency
from wflow.runtime.seed import effects_key
from wflow.runtime.starting import Starting
from wflow.runtime.streamed import Pieces
from wflow.runtime.together import Together
from wflow.runtime.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from wflow.bundle.manifest import Manifest
    from wflow.runtime.code import Code

    Load = Callable[[Path, Manifest, Output], loader.Code]
    Warm = Callable[[Sequence[str], Output], None]
    OfTurns = frames.Deliver | frames.Steer | frames.Drop | frames.HandBack | frames.Keep

P = ParamSpec("P")
T = TypeVar("T")

LINGER_S: Final = 0.02
"""An attempt that lasts longer is told before it ends, so that it counts if the process dies."""
PARENT_S: Final = 1.0
"""How often a runtime looks whether its runner lives, besides listening to the link."""
_OUTSIDE: Final = Place(0, "")
CALL_BYTES: Final = 64 * 1024 * 1024
"""What the arguments of one binding call may take."""


def plainly(root: Path, manifest: Manifest, output: Output) -> loader.Code:
    """Import the project, and leave the process as it is otherwise."""
    del output
    return loader.load(root, manifest)


class Runtime:
    """Plays turns, answers requests, and says everything over the link."""

    def __init__(self, load: Load = plainly, warm: Warm | None = None) -> None:
        """Make an empty one on the running loop; `serve` connects it. ``load`` imports the user's code.

        ``warm`` imports libraries before that, where they are asked for.
        """
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="wflow-step")
        self.draining = False
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self.channel: Channel[frames.ToRuntime] = Channel(
            frames.ToRuntime,
            self._hear,
            self._lost,
            on_full=lambda: self.output.hold(held=self.channel.full),
        )
        self.outbox = Outbox(self.channel.send_now)
        self.together = Together()
        self.pieces = Pieces(self.call)
        self.output = Output(self._loop, self.channel.send)
        self._limits: dict[str, int] = {}
        self._import = load
        self._warm = warm
        self._code = loader.Code()
        self._env = self._mute = Env({})
        self._turns: dict[int, Turn] = {}
        self.residency = Residency(self._turns, self._evicted)
        self._starting = Starting(self._turns, self.outbox, self._start)
        self._young: list[tuple[Turn, str]] = []
        self._old: list[tuple[Turn, str]] = []
        self._calls: dict[int, asyncio.Future[object]] = {}
        self.exchanges = Exchanges(self.channel.send)
        self._next_call = 0

    async def serve(self, sock: socket.socket) -> None:
        """Talk over ``sock`` until the runner hangs up."""
        await connect(self.channel, sock)
        self.channel.send(frames.Hello(frames.PROTOCOL, os.getpid()))
        self.residency.start()
        await self._gone.wait()

    def close(self) -> None:
        """Let go of everything, without a word; for one whose process goes on."""
        self._gone.set()
        self.residency.close()
        self._starting.take_all()
        self.channel.close()
        for turn in list(self._turns.values()):
            turn.drop()
        self.exchanges.close()
        for future in self._calls.values():
            if not future.done():
                future.set_exception(LinkError("the runtime is gone"))
                future.exception()  # whoever waits for it may be gone as well

    # -- what turns use ------------------------------------------------------------------------------------

    def began(self, turn: Turn, key: str) -> None:
        """Look at an attempt again when it has lasted a while."""
        if not self._young and not self._old:
            self._loop.call_later(LINGER_S, self._announce)
        self._young.append((turn, key))

    def rested(self, turn: Turn) -> None:
        """Keep a turn that rests in memory for a while."""
        self.residency.rested(turn)

    def handed(self, code: Code, spec: frames.Turn) -> Code:
        """Give what the user's `run` is to ask for its steps: the turn's code, or what stands before it."""
        return code

    def left(self, turn: Turn, *, released: bool) -> None:
        """Forget a turn."""
        if self._turns.get(turn.instance) is turn:
            del self._turns[turn.instance]
            self.residency.left(turn.instance)
        if released:
            self.channel.send(frames.Released([turn.instance]))

    # -- what the runner says ------------------------------------------------------------------------------

    def _hear(self, messages: list[frames.ToRuntime]) -> None:
        for message in messages:
            match message:
                case frames.Acked(batch, refused):
                    self.outbox.acked(batch, refused)
                    self._starting.look()
                case frames.Play(turns):
                    self._play(turns)
                case frames.Reply():
                    self._reply(message)
                case frames.Deliver() | frames.Steer() | frames.Drop() | frames.HandBack() | frames.Keep():
                    self._hear_of(message)
                case frames.Load():
                    self._load(message)
                case frames.Warm(libraries, packages):
                    loader.equip(packages)
                    if self._warm is not None:
                        self._warm(libraries, self.output)
                case frames.Rehearse():
                    self._loop.call_soon(self._rehearse, message)
                case frames.Drain():
                    self.draining = True
                    if specs := self._starting.take_all():
                        self.channel.send(frames.Released([spec.instance for spec in specs]))
                    for turn in list(self._turns.values()):
                        _tell(turn, turn.drain)
                case _:
                    self.exchanges.hear(message)

    def _hear_of(self, message: OfTurns) -> None:
        """Hear of instances that are in memory, or were, or are to be."""
        turns = self._turns
        told = [message.instance] if isinstance(message, frames.Deliver | frames.Steer) else message.instances
        for spec in self._starting.take(told):
            if isinstance(message, frames.HandBack):
                self.channel.send(frames.Released([spec.instance]))
            elif not isinstance(message, frames.Drop):
                if isinstance(message, frames.Deliver):
                    spec.events.append(message.event)
                self._start(spec)
        match message:
            case frames.Deliver(instance, received):
                if turn := turns.get(instance):
                    _tell(turn, turn.receive, received)
            case frames.Steer(instance, pausing):
                if turn := turns.get(instance):
                    _tell(turn, turn.steer, pausing=pausing)
            case frames.Drop(instances):
                for instance in instances:
                    if turn := turns.get(instance):
                        turn.drop()
            case frames.HandBack(instances) | frames.Keep(instances):
                for turn in filter(None, map(turns.get, instances)):
                    _tell(turn, turn.hand_back if isinstance(message, frames.HandBack) else turn.keep)

    def _lost(self, error: LinkError | None) -> None:
        if error is not None and sys.__stderr__ is not None:
            sys.__stderr__.write(f"wflow runtime: {error.message}\n")
        self._gone.set()

    def _load(self, load: frames.Load) -> None:
        try:
            manifest = manifests.decode(load.manifest)
            self._limits = {entry.name: entry.step_limit for entry in manifest.workflows}
            self._env = workers.env = build(manifest, load.secrets, self.call)
            self._mute = build(manifest, load.secrets, refuse)
            loader.equip(load.packages)
            self._code = self._import(Path(load.root), manifest, self.output)
            self.exchanges.serve(self._code, self._env)
        except Outdated:
            self.channel.send(frames.Outdated())
        except LoadError as error:
            self.channel.send(
                frames.NotLoaded(error.message, error.trace, error.file, error.line, error.hint)
            )
        except WflowError as error:
            self.channel.send(frames.NotLoaded(error.message, "", None, None, error.hint))
        except Exception as error:  # noqa: BLE001 - it is ours; whoever deploys must hear of it all the same
            trace = traceback.format_exc()
            self.channel.send(frames.NotLoaded(f"wflow cannot load this project: {error!r}", trace))
        else:
            self.channel.send(
                frames.Loaded(list(self._code.workflows), self._code.handlers(), self._code.libraries)
            )

    def _play(self, turns: Sequence[frames.Turn]) -> None:
        missing = []
        for spec in turns:
            turn = self._turns.get(spec.instance)
            if spec.records is None:
                self.residency.resumed(spec.instance)
                if turn is None or _tell(turn, turn.resume, spec) is False:
                    missing.append(spec.instance)
                continue
            if turn is not None:
                turn.drop()
            self._starting.add(spec)
        if missing:
            self.channel.send(frames.Missing(missing))

    def _start(self, spec: frames.Turn) -> None:
        def run(turn: Turn) -> Coroutine[Any, Any, object]:
            cls = self._code.workflows[spec.workflow]
            return beginning.run(cls, self._env, Context(self.handed(turn.code, spec), self.output), spec)

        try:
            turn = Turn(spec, self, run, step_limit=self._limits[spec.workflow])
        except Exception as error:  # noqa: BLE001 - a journal that cannot be read must not end the runtime
            self._pause(spec, error)
        else:
            self._turns[spec.instance] = turn
            _tell(turn, turn.play)

    def _rehearse(self, asked: frames.Rehearse) -> None:
        """Try a journal against the code, and tell the verdict."""
        spec = asked.turn

        def run(turn: Turn) -> Coroutine[Any, Any, object]:
            cls = self._code.workflows[spec.workflow]
            return beginning.run(cls, self._mute, Context(turn.code, self.output), spec)

        if spec.workflow in self._limits:
            verdict = rehearse(spec, run, step_limit=self._limits[spec.workflow])
        else:
            verdict = unplayed(f"this version has no workflow {spec.workflow!r}")
        self.channel.send(frames.Rehearsed(asked.call, verdict))

    def _pause(self, spec: frames.Turn, error: Exception) -> None:
        """Hold an instance of which not even a turn can be made."""
        traceback.print_exception(error)
        at = now()
        failure = failure_of(WorkflowInternalError(f"wflow cannot play this instance: {error!r}"))
        moved = Moved(status.PAUSED, at, failure=failure)
        self.outbox.add(
            Unplayed(spec), [moved], last_seq=spec.seq + 1, change=Held(spec.instance, at, failure)
        )

    # -- binding calls -------------------------------------------------------------------------------------

    async def call(self, binding: str, method: str, arguments: list[object]) -> object:
        """Call a binding's provider in the runner; raises what the provider raised.

        It may be called on another loop than the runtime's: a sync step, in its thread, can `asyncio.run` it.
        """
        place = here.get() or _OUTSIDE
        if asyncio.get_running_loop() is not self._loop:
            there = self.call(binding, method, arguments)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there, self._loop))
        if binding and place.step:
            late.check(self._turns, place)
        self._next_call += 1
        number = self._next_call
        raw = values.encode(arguments, limit=CALL_BYTES)
        future: asyncio.Future[object] = self._loop.create_future()
        self._calls[number] = future
        key = effects_key(place) if place.step and binding else ""
        self.channel.send(
            frames.Call(number, binding, method, raw, place.instance, place.step, place.attempt, key)
        )
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

    # -- now and then --------------------------------------------------------------------------------------

    def _announce(self) -> None:
        """Announce what has lasted since the look before; between two looks every task has had its turn."""
        old, self._old, self._young = self._old, self._young, []
        for turn, key in old:
            turn.announce(key)
        if self._old:
            self._loop.call_later(LINGER_S, self._announce)

    def _evicted(self, instances: list[int]) -> None:
        """Tell which are no longer in memory; they go on from their journals when they are due."""
        self.channel.send(frames.Evicted(instances))


def _tell(turn: Turn, what: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Tell a turn something; if it breaks, that is its own affair, and the runtime goes on."""
    try:
        return what(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, there are others
        turn.broke(error)
        return None


def main(descriptor: int) -> None:
    """Be a runtime on the link at the file descriptor, until the runner hangs up; then end at once."""
    import uvloop

    ahead = Ahead()
    # Instances in memory are many small objects that live long; looking through them all every few hundred
    # allocations would take a third of the time of a step.
    gc.set_threshold(50_000, 20, 100)
    asyncio.as_completed = asyncio.tasks.as_completed = in_order(asyncio.as_completed)
    # A program that user code starts must not keep the link open when this process is gone.
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    sock.settimeout(0)
    threading.Thread(target=_watch, args=(os.dup(descriptor),), daemon=True).start()

    async def serve() -> None:
        await Runtime(ahead.load, ahead.warm).serve(sock)

    code = 1
    try:
        loop = uvloop.new_event_loop()
        serving = loop.create_task(serve())
        while not serving.done():
            # A SystemExit in a task that a step began comes out here; it ends that step, and not the process.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(serving)
        code = 0
    except Exception:  # noqa: BLE001 - it is ours, and there is nobody else to tell
        traceback.print_exc(file=sys.__stderr__)
    finally:
        # User code may have threads that never end, and a runtime has nothing to put in order.
        os._exit(code)


def _watch(link: int) -> None:
    """End the process when the runner hangs up or dies, even while user code blocks the event loop."""
    parent = os.getppid()
    hangup = select.poll()
    hangup.register(link, 0)
    while os.getppid() == parent and not hangup.poll(PARENT_S * 1000):
        pass
    time.sleep(PARENT_S)  # the loop, if it is free, ends in better order
    os._exit(0)
