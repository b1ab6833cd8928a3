"""One runtime process, as the runner sees it: started, spoken to, listened to, buried."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from wflow.bundle import manifest as manifests
from wflow.engine.divergence import Verdict
from wflow.engine.outcome import Failure
from wflow.errors import LinkError, LoadError
from wflow.link import frames
from wflow.link.channel import Channel, connect
from wflow.runner.spawned import spawn
from wflow.runner.streams import Streams
from wflow.wire.types import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from pathlib import Path

    from wflow.runner.registry import Build
    from wflow.runner.spawned import Process, Spawn
    from wflow.stores.store import Claim

T = TypeVar("T")

START_S: Final = 30.0
"""How long a runtime may take to come up, and again to import the user's code."""
LAST_WORDS_S: Final = 0.5
"""How long the link may outlive the process: a child of the user's code may have inherited its end."""
FETCHES: Final = 10_000
"""Requests that one runtime works on at once."""
REHEARSALS: Final = 1_000
"""Journals that wait in one runtime to be tried, at once."""
REHEARSE_S: Final = 30.0
"""How long the verdict on a journal may take, with those that were asked for before it."""


class Listener(Protocol):
    """Who hears what a runtime says beyond its start."""

    def heard(self, peer: Peer, message: frames.ToRunner) -> None:
        """Take a message."""
        ...

    def died(self, peer: Peer) -> None:
        """Hear that the process is gone, expected or not."""
        ...


class Peer:
    """A runtime process. ``holds`` are the claims it has, ``hot`` the instances that rest in its memory.

    ``killed`` says that its end is the runner's doing, and so no fault of what it played.
    """

    def __init__(self, listener: Listener, spawn: Spawn = spawn) -> None:
        """Make one on the running loop; `start` brings the process up, by ``spawn``."""
        self.build: Build | None = None
        self.holds: dict[int, Claim] = {}
        self.streams = Streams(self.holds)
        self.hot: set[int] = set()
        self.draining = False
        self.killed = False
        self.handlers: list[str] = []
        self._listener = listener
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._channel: Channel[frames.ToRunner] = Channel(frames.ToRunner, self._hear, self._lost)
        self._process: Process | None = None
        self._up: asyncio.Future[None] = self._loop.create_future()
        self._loaded: asyncio.Future[None] = self._loop.create_future()
        self._fetches: dict[int, asyncio.Future[HttpAnswer]] = {}
        self._next_fetch = 0
        self._rehearsals: dict[int, asyncio.Future[Verdict]] = {}
        self._next_rehearsal = 0
        self._quiet = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether it can be spoken to."""
        return self._process is not None and not self._channel.closed

    @property
    def busy(self) -> bool:
        """Whether it holds claims or owes answers."""
        return bool(self.holds or self._fetches or self._rehearsals)

    @property
    def pid(self) -> int | None:
        """The process id, once it is up."""
        return self._process.pid if self._process else None

    async def start(self, folder: Path, *, hash_seed: int = 0) -> None:
        """Bring the process up, working in ``folder``, without any user code yet. Raises LinkError.

        Text has the same hash in all processes of one ``hash_seed``: a loop over a set in workflow code takes
        the same order in the process that replays it.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        try:
            self._process = self._spawn(theirs, folder, hash_seed, self._buried)
        except OSError as broken:
            ours.close()
            raise LinkError(f"cannot start a runtime: {broken}") from broken
        finally:
            theirs.close()
        await connect(self._channel, ours)
        await self._within(self._up, "come up")

    async def load(self, build: Build) -> None:
        """Import a build's code; raises LoadError with the user's part of the traceback, and LinkError."""
        self.build = build
        self._channel.send(frames.Load(str(build.root), manifests.encode(build.manifest), build.secrets))
        await self._within(self._loaded, "import the code")

    def send(self, message: frames.ToRuntime) -> None:
        """Say something; a dead process hears nothing."""
        self._channel.send(message)

    async def fetch(self, request: HttpRequest) -> HttpAnswer:
        """Hand over a request and wait for its answer.

        Raises LinkError when the process dies first, or has too much to do.
        """
        if self._channel.closed:
            raise LinkError("the runtime is gone")
        if len(self._fetches) >= FETCHES:
            raise LinkError(f"the Worker has {FETCHES:,} requests under way; that is the limit")
        self._next_fetch += 1
        number = self._next_fetch
        future: asyncio.Future[HttpAnswer] = self._loop.create_future()
        self._fetches[number] = future
        try:
            self._channel.send(
                frames.Fetch(number, request.method, request.url, request.headers, request.body)
            )
            return await future
        finally:
            self._fetches.pop(number, None)
            self.settle()

    async def rehearse(self, turn: frames.Turn) -> Verdict:
        """Try a journal, which is in ``turn``, against this runtime's code; nothing comes of it.

        Code that blocks, and a journal that no frame holds, are told as a failure; whoever owns the process
        should then end it, for it may hang. Raises LinkError when the process dies first, or has too much to
        do.
        """
        if self._channel.closed:
            raise LinkError("the runtime is gone")
        if len(self._rehearsals) >= REHEARSALS:
            raise LinkError(f"the runtime has {REHEARSALS:,} journals to try; that is the limit")
        if sum(map(len, turn.records or ())) > frames.FRAME_BYTES // 2:
            return _untold(f"its journal takes more than {frames.FRAME_BYTES // 2:,} bytes")
        self._next_rehearsal += 1
        number = self._next_rehearsal
        future: asyncio.Future[Verdict] = self._loop.create_future()
        self._rehearsals[number] = future
        try:
            self._channel.send(frames.Rehearse(number, turn))
            async with asyncio.timeout(REHEARSE_S):
                return await future
        except TimeoutError:
            return _untold(
                f"the code did not come to rest within {REHEARSE_S:.0f} s: it blocks, or has much to do"
            )
        finally:
            self._rehearsals.pop(number, None)
            self.settle()

    def settle(self) -> None:
        """Note that a claim or a request ended; a draining runtime without any is done."""
        if self.draining and not self.busy:
            self._quiet.set()

    async def drain(self, patience_s: float) -> None:
        """Let what runs come to its end, for so long, and begin nothing new; then the process is over."""
        self.draining = True
        self.hot.clear()
        if self.alive:
            self._channel.send(frames.Drain())
            self.settle()
            try:
                async with asyncio.timeout(patience_s):
                    await self._quiet.wait()
            except TimeoutError:
                pass
        self.kill()

    def kill(self) -> None:
        """End the process now; `died` follows."""
        self.killed = True
        self._end()

    async def gone(self) -> None:
        """Wait until the process has ended and the link is let go; after `kill` that does not take long."""
        if self._process is not None:
            await self._over.wait()
            self._cut()
            await asyncio.sleep(0)  # the transport closes its socket with the loop's next pass

    async def _within(self, future: asyncio.Future[None], what: str) -> None:
        try:
            async with asyncio.timeout(START_S):
                await asyncio.shield(future)
        except TimeoutError:
            self.kill()
            raise LinkError(
                f"the runtime did not {what} within {START_S:.0f} s",
                hint=_AT_THE_TOP,
            ) from None

    def _hear(self, messages: list[frames.ToRunner]) -> None:
        for message in messages:
            match message:
                case frames.Hello(protocol):
                    if protocol == frames.PROTOCOL:
                        _set(self._up)
                    else:
                        _fail(self._up, LinkError(f"the runtime speaks protocol {protocol}"))
                case frames.Loaded(_, handlers):
                    self.handlers = handlers
                    _set(self._loaded)
                case frames.NotLoaded(text, trace, file, line, hint):
                    _fail(self._loaded, LoadError(text, hint=hint, trace=trace, file=file, line=line))
                case frames.Fetched(call, status, headers, body):
                    future = self._fetches.get(call)
                    if future is not None and not future.done():
                        future.set_result(HttpAnswer(status=status, headers=headers, body=body))
                case frames.Rehearsed(call, verdict):
                    if (asked := self._rehearsals.get(call)) is not None and not asked.done():
                        asked.set_result(verdict)
                case _:
                    self._listener.heard(self, message)

    def _lost(self, error: LinkError | None) -> None:
        gone = LinkError("the runtime is gone", hint=None if error is None else error.message)
        _fail(self._up, gone)
        _fail(self._loaded, LinkError("the process ended while it imported the code", hint=_AT_THE_TOP))
        for fetch in self._fetches.values():
            _fail(fetch, gone)
        for rehearsal in self._rehearsals.values():
            _fail(rehearsal, gone)
        self._end()
        self._quiet.set()
        self._listener.died(self)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _buried(self) -> None:
        """Hear of the end of the process: the link alone may outlive it."""
        self._over.set()
        if not self._channel.closed:
            # What it said last may still be on its way.
            self._loop.call_later(LAST_WORDS_S, self._cut)

    def _cut(self) -> None:
        if not self._channel.closed:
            self._channel.close()
            self._lost(None)


_AT_THE_TOP: Final = "look at what your modules do at their top, when they are imported"


def _untold(why: str) -> Verdict:
    failure = Failure(name="WorkflowInternalError", message=why, path="wflow.errors:WorkflowInternalError")
    return Verdict(heard=0, recorded=0, failure=failure)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[T], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # somebody may wait for it, or nobody; neither is worth a complaint
