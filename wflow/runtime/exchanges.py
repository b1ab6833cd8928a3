"""Requests and events for the Worker, under way at the runtime's end of the link."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from wflow.errors import LinkError
from wflow.link import frames
from wflow.link.bodies import PIECE_BYTES, Incoming, Outgoing
from wflow.runtime import handling, rpc, worker
from wflow.runtime.body import close
from wflow.runtime.env import Env
from wflow.runtime.execution import ExecutionContext, entered
from wflow.runtime.loader import Code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    OfFetches = frames.Fetch | frames.Abandon | frames.Piece | frames.Taken
    Message = OfFetches | frames.Handle | frames.Ask


class Exchanges:
    """Each request in a task of its own. ``serve`` gives them the code that answers."""

    def __init__(self, send: Callable[[object], None]) -> None:
        """Say everything by ``send``."""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._code = Code()
        self._env = Env({})
        self._open: dict[int, _Exchange] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, code: Code, env: Env) -> None:
        """Answer with this code from now on."""
        self._code, self._env = code, env

    def hear(self, message: Message) -> None:
        """Take what the runner says of requests and events."""
        match message:
            case frames.Fetch():
                exchange = self._open[message.call] = _Exchange(message, self._send)
                exchange.task = self._spawn(self._fetch(exchange))
            case frames.Handle():
                self._spawn(self._handle(message))
            case frames.Ask():
                self._spawn(self._ask(message))
            case frames.Abandon(call):
                if call in self._open:
                    self._open[call].abandon()
                else:
                    self._send(frames.Over(call))
            case frames.Piece(call, data, last):
                if call in self._open:
                    self._open[call].heard(data, last=last)
            case frames.Taken(call, size):
                if call in self._open:
                    self._open[call].body.taken(size)

    def close(self) -> None:
        """Let go of everything, without a word."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _fetch(self, exchange: _Exchange) -> None:
        fetch = exchange.fetch
        exchange.begun = True
        cls = self._code.entrypoint(fetch.entrypoint)
        try:
            if exchange.ctx.abandoned:
                return
            with entered(exchange.ctx):
                answer = await worker.answer(cls, self._env, exchange.ctx, (fetch, exchange.source))
                await exchange.say(answer)
        except asyncio.CancelledError:
            if not exchange.ctx.abandoned:
                raise
        finally:
            await exchange.finish()
            del self._open[fetch.call]

    async def _handle(self, message: frames.Handle) -> None:
        self._send(await handling.handle(self._code, self._env, message))

    async def _ask(self, message: frames.Ask) -> None:
        ctx = ExecutionContext(message.depth)
        cls = self._code.entrypoint(message.entrypoint)
        answered = await rpc.answer(cls, self._env, ctx, message)
        if not ctx.goes_on:
            self._send(answered)
            return
        self._send(msgspec.structs.replace(answered, goes_on=True))
        await ctx.finished()
        self._send(frames.Over(message.call))


class _Exchange:
    """A request, and what is sent of its answer."""

    def __init__(self, fetch: frames.Fetch, send: Callable[[object], None]) -> None:
        self.fetch = fetch
        self.ctx = ExecutionContext(fetch.depth)
        self.begun = False
        self.task: asyncio.Task[None] | None = None
        self.request = Incoming(lambda size: send(frames.Taken(fetch.call, size)))
        self.body = Outgoing(lambda data, last: send(frames.Piece(fetch.call, data, last)))
        self._send = send
        self._is_over = False
        if fetch.more:
            self.heard(fetch.body, last=False)

    @property
    def source(self) -> bytes | AsyncIterator[bytes]:
        """The request's body."""
        return self.request if self.fetch.more else self.fetch.body

    def heard(self, data: bytes, *, last: bool) -> None:
        try:
            self.request.add(data, last=last)
        except LinkError as nonsense:
            self.request.cut(nonsense)

    def abandon(self) -> None:
        """End the handler, for nobody waits for it; what it gave to `wait_until` goes on."""
        self.ctx.abandoned = True
        self.request.cut(ConnectionError("the client is gone"))
        # A task that is cancelled before it has begun never does, and would not tell of its end.
        if self.task is not None and self.begun:
            self.task.cancel()

    async def say(self, answer: worker.Answer) -> None:
        """Send an answer, its body in pieces if it is long, or a stream."""
        call, body = self.fetch.call, answer.body
        if self.ctx.abandoned:
            await close(body)
            return
        if isinstance(body, bytes) and (answer.mishap or len(body) <= PIECE_BYTES):
            self._is_over = not self.ctx.goes_on
            self._begin(answer, body, more=False)
            return
        try:
            whole = isinstance(body, bytes)
            self._begin(answer, b"", more=True)
            if isinstance(body, bytes):
                await self.body.put(body)
                self._send(frames.Piece(call, b"", last=True))
            else:
                await self.body.carry(body)
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever reads the body is told
            await self._broke(error, whole=whole)
        finally:
            await close(body)

    async def _broke(self, error: BaseException, *, whole: bool) -> None:
        if isinstance(error, asyncio.CancelledError) and self.ctx.abandoned:
            raise error
        if not whole:
            worker.sorry(error)
        self._send(frames.Cut(self.fetch.call, f"{type(error).__qualname__} in the midst of the body"))

    def _begin(self, answer: worker.Answer, body: bytes, *, more: bool) -> None:
        self._send(
            frames.Fetched(
                self.fetch.call,
                answer.status,
                answer.headers,
                body,
                more,
                len(answer.body) if more and isinstance(answer.body, bytes) else None,
                goes_on=not self._is_over,
                mishap=answer.mishap,
            )
        )

    async def finish(self) -> None:
        """Wait for what goes on after the answer, and tell of its end."""
        self.request.cut(ConnectionError("the request is over"))
        if not self._is_over:
            await self.ctx.finished()
            self._send(frames.Over(self.fetch.call))
