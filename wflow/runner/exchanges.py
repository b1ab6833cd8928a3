"""Requests that one runtime works on, at the runner's end of the link."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from wflow.bindings.binding import Raised
from wflow.engine import values
from wflow.errors import LinkError
from wflow.link import frames
from wflow.link.bodies import WINDOW_BYTES, Incoming, Outgoing
from wflow.wire.types import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from wflow.wire.types import HttpRequest

    Heard = frames.Fetched | frames.Answered | frames.Over | frames.Piece | frames.Taken | frames.Cut

FETCHES: Final = 10_000
"""Requests that one runtime works on at once."""
FETCH_BYTES: Final = 256 * 1024 * 1024
"""What the bodies of these requests may take together; of one that is sent in pieces it is the window."""
LINGERING: Final = 100_000
"""Requests of one runtime whose answers are out and of which something goes on; more are not waited for."""


class Exchanges:
    """All that a runtime was asked, until the last word of it. ``settled`` is called when one is over."""

    def __init__(self, send: Callable[[object], None], settled: Callable[[], None]) -> None:
        """Say everything by ``send``."""
        self._send = send
        self._settled = settled
        self._open: dict[int, _Exchange] = {}
        self._asks: dict[int, asyncio.Future[frames.Answered]] = {}
        self._lingering: set[int] = set()
        self._dead = False
        self._calm = asyncio.Event()
        self._calm.set()
        self._bytes = 0
        self._last = 0

    def __len__(self) -> int:
        """Count the requests that are under way."""
        return len(self._open) + len(self._asks)

    @property
    def lingers(self) -> bool:
        """Whether something goes on of requests whose answers are out."""
        return bool(self._lingering)

    async def calm(self) -> None:
        """Wait until nothing goes on of requests whose answers are out."""
        await self._calm.wait()

    async def fetch(self, request: HttpRequest) -> HttpAnswer:
        """Hand over a request and wait for its answer, whose body may be still to come.

        Raises LinkError when the process dies first, or has too much to do; and what the rest of the
        request's body raises.
        """
        self._admit()
        size = len(request.body) if request.rest is None else WINDOW_BYTES
        if self._bytes + size > FETCH_BYTES:
            raise LinkError(f"the Worker's requests under way take {FETCH_BYTES:,} bytes; that is the limit")
        exchange = _Exchange(self, self._next(), size)
        self._open[exchange.number] = exchange
        self._bytes += size
        answer = None
        try:
            exchange.begin(request)
            answer = await exchange.answer
        finally:
            if answer is None or answer.rest is None:
                exchange.end(abandoned=answer is None)
        return answer

    async def ask(self, entrypoint: str, method: str, args: bytes, depth: int) -> object:
        """Call a method of a Worker; raises Raised with what it raised, and LinkError as `fetch`."""
        self._admit()
        number = self._next()
        future = self._asks[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(frames.Ask(number, entrypoint, method, args, depth))
            answered = await future
        finally:
            del self._asks[number]
            self._settled()
        if answered.failure is not None:
            raise Raised(answered.failure)
        return values.decode(answered.value)

    def hear(self, message: Heard) -> None:
        """Take what the runtime says of them; what is over already is passed over."""
        exchange = self._open.get(message.call)
        match message:
            case frames.Over(call):
                self._linger(call, goes_on=False)
                self._settled()
            case frames.Fetched(call, more=more, goes_on=goes_on):
                self._linger(call, goes_on=goes_on and not more)
                if exchange is not None:
                    exchange.answered(message)
            case frames.Answered(call, goes_on=goes_on):
                self._linger(call, goes_on=goes_on)
                if (future := self._asks.get(call)) is not None and not future.done():
                    future.set_result(message)
            case frames.Piece(call, data, last):
                if last:
                    self._linger(call, goes_on=True)
                if exchange is not None:
                    exchange.more(data, last=last)
            case frames.Taken(_, size) if exchange is not None:
                exchange.request.taken(size)
            case frames.Cut(call, why):
                self._linger(call, goes_on=True)
                if exchange is not None:
                    exchange.body.cut(LinkError(f"the Worker's answer broke off: {why}"))

    def fail(self, error: LinkError) -> None:
        """Have all hear that there will be no answer."""
        self._dead = True
        self._lingering.clear()
        self._calm.set()
        for exchange in self._open.values():
            exchange.fail(error)
        for future in self._asks.values():
            _fail(future, error)

    def _admit(self) -> None:
        if self._dead:
            raise LinkError("the runtime is gone")
        if len(self) >= FETCHES:
            raise LinkError(f"the Worker has {FETCHES:,} requests under way; that is the limit")

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _linger(self, number: int, *, goes_on: bool) -> None:
        if not goes_on:
            self._lingering.discard(number)
            if not self._lingering:
                self._calm.set()
        elif len(self._lingering) < LINGERING:
            self._lingering.add(number)
            self._calm.clear()

    def over(self, exchange: _Exchange, *, abandoned: bool) -> None:
        """Forget a request; one that is given up goes on until the runtime says otherwise."""
        if self._open.pop(exchange.number, None) is None:
            return
        self._bytes -= exchange.size
        if abandoned and not self._dead:
            self._linger(exchange.number, goes_on=True)
            self._send(frames.Abandon(exchange.number))
        self._settled()

    def say(self, message: object) -> None:
        """Say something about one of them."""
        self._send(message)


class _Exchange:
    """One request, and what comes of its answer."""

    def __init__(self, all_: Exchanges, number: int, size: int) -> None:
        self.number = number
        self.size = size
        self.answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        self.body = Incoming(lambda size: all_.say(frames.Taken(number, size)))
        self.request = Outgoing(lambda data, last: all_.say(frames.Piece(number, data, last)))
        self._all = all_
        self._sending: asyncio.Task[None] | None = None

    def begin(self, request: HttpRequest) -> None:
        fetch = frames.Fetch(
            self.number,
            request.method,
            request.url,
            request.headers,
            request.body,
            request.rest is not None,
            request.entrypoint,
            request.depth,
        )
        self._all.say(fetch)
        if request.rest is not None:
            self.request.spend(request.body)
            self._sending = asyncio.get_running_loop().create_task(self._carry(request.rest))

    async def _carry(self, rest: AsyncIterator[bytes]) -> None:
        try:
            await self.request.carry(rest)
        except Exception as error:  # noqa: BLE001 - the client's connection: whoever waits is told
            self.fail(error)

    def answered(self, fetched: frames.Fetched) -> None:
        if not self.answer.done():
            self.answer.set_result(
                HttpAnswer(
                    status=fetched.status,
                    headers=fetched.headers,
                    body=fetched.body,
                    rest=_Rest(self) if fetched.more else None,
                    length=fetched.length,
                    mishap=fetched.mishap,
                )
            )

    def more(self, data: bytes, *, last: bool) -> None:
        try:
            self.body.add(data, last=last)
        except LinkError as nonsense:
            self.body.cut(nonsense)
            self.end(abandoned=True)

    def fail(self, error: Exception) -> None:
        _fail(self.answer, error)
        self.body.cut(error)

    def end(self, *, abandoned: bool) -> None:
        if self._sending is not None:
            self._sending.cancel()
        self._all.over(self, abandoned=abandoned)


class _Rest:
    """What comes of an answer's body."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> _Rest:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._exchange.body)
        except StopAsyncIteration:
            self._exchange.end(abandoned=False)
            raise
        except LinkError:
            self._exchange.end(abandoned=False)
            raise

    async def aclose(self) -> None:
        self._exchange.end(abandoned=True)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # somebody may wait for it, or nobody; neither is worth a complaint
