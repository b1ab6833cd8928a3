"""One runtime process, as the runner sees it: started, spoken to, listened to, buried."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from wflow.bindings.binding import Raised
from wflow.bundle import manifest as manifests
from wflow.engine import names, values
from wflow.engine.divergence import Verdict
from wflow.engine.outcome import Failure
from wflow.errors import LinkError, LoadError
from wflow.link import frames
from wflow.link.channel import Channel, connect
from wflow.runner.asked import Asked, Ended
from wflow.runner.exchanges import Exchanges
from wflow.runner.spawned import spawn
from wflow.runner.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wflow.runner.holds import Hold
    from wflow.runner.registry import Build
    from wflow.runner.spawned import Process, Spawn
    from wflow.wire.types import HttpAnswer, HttpRequest

T = TypeVar("T")

START_S: Final = 30.0
"""How long a runtime may take to come up, and again to import the user's code."""
LAST_WORDS_S: Final = 0.5
"""How long the link may outlive the process: a child of the user's code may have inherited its end."""
LINGER_S: Final = 31.0
"""How long, beyond its patience, a drain waits for what goes on after answers; it is over in 30 seconds."""
REHEARSALS: Final = 1_000
"""Journals that wait in one runtime to be tried, at once."""
CALLED_BYTES: Final = 128 * 1024 * 1024
"""What the calls of bindings that are being answered may take together; with more, nothing is heard."""
CALL_BYTES: Final = 4 * 1024
"""What is reckoned for each, besides its arguments."""
FRESH: Final = 256
"""Instances that a runtime should have been handed at once without a word of them since."""
HANDLE_S: Final = names.HANDLE_S + 45.0
"""How long an event may take in all: its handler, and what that lets go on."""
REHEARSE_S: Final = 30.0
"""How long the verdict on a journal may take, with those that were asked for before it."""


class Outdated(Exception):
    """What a runtime imported ahead is not what the code would import now; another one can load it."""


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

    ``fresh`` are the instances that were handed to it and of which nothing was heard since: it speaks of each
    as soon as it has played it, so that these are what it has still to begin. ``on_fresh`` is called when
    there are fewer. ``killed`` says that its end is the runner's doing, and so no fault of what it played.
    """

    def __init__(self, listener: Listener, spawn: Spawn = spawn) -> None:
        """Make one on the running loop; `start` brings the process up, by ``spawn``."""
        self.build: Build | None = None
        self.holds: dict[int, Hold] = {}
        self.streams = Streams(self.holds)
        self.hot: set[int] = set()
        self.fresh: set[int] = set()
        self.on_fresh: Callable[[], None] | None = None
        self.draining = False
        self.killed = False
        self.handlers: list[str] = []
        self.libraries: list[str] = []
        self._listener = listener
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._channel: Channel[frames.ToRunner] = Channel(
            frames.ToRunner, self._hear, self._lost, on_full=self._turned
        )
        self._process: Process | None = None
        self._up: asyncio.Future[None] = self._loop.create_future()
        self._loaded: asyncio.Future[None] = self._loop.create_future()
        self.exchanges = Exchanges(self._channel.send, self.settle)
        self._called_bytes = 0
        self._events: Asked[frames.Handled] = Asked()
        self._rehearsals: Asked[Verdict] = Asked()
        self._quiet = asyncio.Event()
        self._over = asyncio.Event()
        self._listening = asyncio.Event()
        self._listening.set()

    @property
    def alive(self) -> bool:
        """Whether it can be spoken to; what is given to one that was killed goes down with it."""
        return self._process is not None and not self.killed and not self._channel.closed

    @property
    def listens(self) -> bool:
        """Whether it reads what it is told; if it does not, what can wait should, and is told it later."""
        return not self._channel.full

    async def listening(self) -> None:
        """Wait until it reads what it is told, or is dead."""
        await self._listening.wait()

    @property
    def busy(self) -> bool:
        """Whether it holds claims or owes answers."""
        owed = self.exchanges or self.exchanges.lingers or self._rehearsals or self._events
        return bool(self.holds or owed)

    @property
    def work(self) -> int:
        """How much it has to do: claims, and requests."""
        return len(self.holds) + len(self.exchanges) + len(self._events)

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

    def warm(self, libraries: Sequence[str], packages: Path | None = None) -> None:
        """Have it import ahead what other code was found to import (its peer's ``libraries``)."""
        self._channel.send(frames.Warm(list(libraries), "" if packages is None else str(packages)))

    async def load(self, build: Build) -> None:
        """Import a build's code; raises LoadError with the user's part of the traceback, and LinkError.

        Raises Outdated when it was warmed, and had better not have been.
        """
        self.build = build
        packages = "" if build.packages is None else str(build.packages)
        described = manifests.encode(build.manifest)
        self._channel.send(frames.Load(str(build.root), described, build.secrets, packages))
        await self._within(self._loaded, "import the code")

    def send(self, message: frames.ToRuntime) -> None:
        """Say something; a dead process hears nothing."""
        # Instances wait for it that a commit is on disk.
        (self._channel.send_now if isinstance(message, frames.Acked) else self._channel.send)(message)
        if isinstance(message, frames.Play) and not self._channel.closed:
            self.fresh.update([turn.instance for turn in message.turns])
        elif isinstance(message, frames.Drop):
            self._heard_of(message.instances)

    @contextlib.contextmanager
    def answering(self, call: frames.Call) -> Iterator[None]:
        """Count a call while the block answers it; with too many of them, hear nothing more meanwhile."""
        size = CALL_BYTES + len(call.args)
        self._called_bytes += size
        try:
            with self.unheard() if self._called_bytes > CALLED_BYTES else contextlib.nullcontext():
                yield
        finally:
            self._called_bytes -= size

    @contextlib.contextmanager
    def unheard(self) -> Iterator[None]:
        """Have it wait with what it says while the block runs; its own memory is bounded by what it plays."""
        self._channel.pause()
        try:
            yield
        finally:
            self._channel.resume()

    async def fetch(self, request: HttpRequest) -> HttpAnswer:
        """Hand over a request and wait for its answer; raises what `Exchanges.fetch` does."""
        if self._channel.closed:
            raise LinkError("the runtime is gone")
        return await self.exchanges.fetch(request)

    async def handle(self, kind: str, event: object) -> object:
        """Have the Worker's handler `scheduled` or `queue` called with a dict, and give its answer, another.

        Raises Raised with what the handler raised, LinkError when the process dies first: Ended if that was
        the runner's doing.
        """
        if self._channel.closed:
            raise Ended("the runtime is gone")
        raw = values.encode(event, limit=frames.FRAME_BYTES // 4)
        try:
            with self._events.asking() as (number, future):
                self._channel.send(frames.Handle(number, kind, raw))
                async with asyncio.timeout(HANDLE_S):
                    handled = await future
        except TimeoutError:
            # The runtime gives handlers up that take too long, unless they block it for good.
            self.kill()
            raise LinkError(f"the Worker's {kind}() did not come to an end") from None
        finally:
            self.settle()
        if handled.failure is not None:
            raise Raised(handled.failure)
        return values.decode(handled.answer)

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
        try:
            with self._rehearsals.asking() as (number, future):
                self._channel.send(frames.Rehearse(number, turn))
                async with asyncio.timeout(REHEARSE_S):
                    return await future
        except TimeoutError:
            return _untold(
                f"the code did not come to rest within {REHEARSE_S:.0f} s: it blocks, or has much to do"
            )
        finally:
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._quiet.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self.exchanges.calm()
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
                case frames.Loaded(_, handlers, libraries):
                    self.handlers, self.libraries = handlers, libraries
                    _set(self._loaded)
                case frames.Outdated():
                    _fail(self._loaded, Outdated("what the runtime imported ahead has changed since"))
                case frames.NotLoaded(text, trace, file, line, hint):
                    _fail(self._loaded, LoadError(text, hint=hint, trace=trace, file=file, line=line))
                case (
                    frames.Fetched()
                    | frames.Answered()
                    | frames.Over()
                    | frames.Piece()
                    | frames.Taken()
                    | frames.Cut()
                ):
                    self.exchanges.hear(message)
                case frames.Handled(call):
                    self._events.answer(call, message)
                case frames.Rehearsed(call, verdict):
                    self._rehearsals.answer(call, verdict)
                case frames.Commit(claims=claims) if self.fresh:
                    self._heard_of([key for key, _ in claims])
                    self._listener.heard(self, message)
                case frames.Missing(instances) | frames.Released(instances):
                    self._heard_of(instances)
                    self._listener.heard(self, message)
                case _:
                    self._listener.heard(self, message)

    def _turned(self) -> None:
        """Hear nothing of a runtime that does not listen: it would only ask for more."""
        if self.listens:
            self._listening.set()
            self._channel.resume()
        else:
            self._listening.clear()
            self._channel.pause()

    def _heard_of(self, instances: Sequence[int]) -> None:
        """Note that the runtime has come to these, or will not."""
        before = len(self.fresh)
        self.fresh.difference_update(instances)
        if before > len(self.fresh) and self.on_fresh is not None:
            self.on_fresh()

    def _lost(self, error: LinkError | None) -> None:
        gone = LinkError("the runtime is gone", hint=None if error is None else error.message)
        _fail(self._up, gone)
        _fail(self._loaded, LinkError("the process ended while it imported the code", hint=_AT_THE_TOP))
        self.exchanges.fail(gone)
        self._events.fail(Ended("the runtime was ended") if self.killed else gone)
        self._rehearsals.fail(gone)
        self._end()
        self._quiet.set()
        self._listening.set()
        self.fresh.clear()
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
