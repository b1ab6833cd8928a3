"""The Workers of a runner, for each other: requests and calls by way of service bindings."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Any, Final

from wflow.bindings.binding import Raised
from wflow.engine.names import VALUE_BYTES
from wflow.errors import InvalidInput, LinkError, TooLarge, TooMany
from wflow.link import mishap
from wflow.wire.types import HttpRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from wflow.runner.fleet import Fleet
    from wflow.runner.registry import Build, Registry
    from wflow.wire.types import Rest

BODIES: Final = 10_000
"""Answers of Workers to each other whose bodies are being read, at once."""
CALLED_BYTES: Final = 128 * 1024 * 1024
"""What Workers may hand to each other at once, in requests and calls that are under way."""
UNREAD_S: Final = 300.0
"""A body that nobody reads for so long is let go."""


class Services:
    """Asks the live version of a Worker; bodies that are still to come are read by a number that is drawn."""

    def __init__(self, registry: Registry, fleet: Fleet) -> None:
        """Find Workers in ``registry``, and their runtimes in ``fleet``."""
        self._registry = registry
        self._fleet = fleet
        self._bodies: dict[str, _Body] = {}
        self._bytes = 0

    async def fetch(self, service: str, asked: list[Any]) -> list[Any]:
        """Hand a request to a Worker, see `wflow.bindings.service`.

        Raises Raised with what its handler raised, InvalidInput, LinkError.
        """
        entrypoint, method, url, headers, body, whole, depth = asked
        request = HttpRequest(
            method=method,
            url=url,
            headers=[(str(name), str(value)) for name, value in headers],
            body=body[:_FIRST],
            rest=_rest(body[_FIRST:]) if len(body) > _FIRST else None,
            entrypoint=entrypoint,
            depth=depth,
        )
        with self._handing(body):
            answer = await self._fleet.fetch(self._build(service).version, request)
        if answer.mishap and (told := mishap.decode(answer.mishap)) is not None:
            raise Raised(told.failure)
        parts: list[Any] = [answer.status, [list(pair) for pair in answer.headers]]
        if answer.rest is None:
            return [*parts, answer.body, None]
        if whole:
            return [*parts, await _gathered(answer.rest), None]
        if len(self._bodies) >= BODIES:
            await answer.rest.aclose()
            raise TooMany(f"the Workers read {BODIES:,} answers of each other; that is the limit")
        number = secrets.token_hex(16)
        self._bodies[number] = _Body(answer.rest)
        self._watch(number)
        return [*parts, b"", number]

    async def read(self, number: str) -> bytes | None:
        """Give more of a body, None at its end; raises LinkError when it breaks off."""
        body = self._bodies.get(number)
        if body is None:
            raise InvalidInput("this answer's body is over, or was let go since nobody read it")
        body.read = True
        try:
            return await anext(body.pieces)
        except (StopAsyncIteration, LinkError) as over:
            self._bodies.pop(number, None)
            if isinstance(over, LinkError):
                raise
            return None

    async def close(self, number: str) -> None:
        """Want no more of a body."""
        body = self._bodies.pop(number, None)
        if body is not None:
            await body.rest.aclose()

    async def ask(self, service: str, asked: list[Any]) -> object:
        """Call a method of a Worker; raises Raised with what it raised, InvalidInput, LinkError."""
        entrypoint, name, args, depth = asked
        with self._handing(args):
            peer = await self._fleet.peer(self._build(service).version)
            return await peer.exchanges.ask(entrypoint, name, args, depth)

    @contextlib.contextmanager
    def _handing(self, body: bytes) -> Iterator[None]:
        """Count what is handed over while the block runs; raises TooMany when it is too much in all."""
        if self._bytes + len(body) > CALLED_BYTES:
            raise TooMany(f"the Workers hand each other {CALLED_BYTES:,} bytes at once; that is the limit")
        self._bytes += len(body)
        try:
            yield
        finally:
            self._bytes -= len(body)

    def _build(self, service: str) -> Build:
        if service not in self._registry.current:
            raise InvalidInput(
                f"the service {service!r} is not here",
                hint="deploy that Worker to this runner; a dev session has its own Worker only",
            )
        return self._registry.choose(service)

    def _watch(self, number: str) -> None:
        """Look now and then whether a body is read: whoever began to may be dead."""
        body = self._bodies.get(number)
        if body is None:
            return
        loop = asyncio.get_running_loop()
        if body.read:
            body.read = False
            loop.call_later(UNREAD_S, self._watch, number)
        else:
            body.closing = loop.create_task(self.close(number))


class _Body:
    """A body that is being read."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.pieces = aiter(rest)
        self.read = True
        self.closing: asyncio.Task[None] | None = None


_FIRST: Final = 64 * 1024
"""What of a body goes along with its request."""


async def _rest(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _gathered(rest: Rest) -> bytes:
    """Read all of a body, for workflow code, which keeps it."""
    whole = bytearray()
    try:
        async for piece in rest:
            whole += piece
            if len(whole) > VALUE_BYTES:
                raise TooLarge(
                    f"the service's answer is larger than {VALUE_BYTES:,} bytes, which `run` could not keep",
                    hint="ask it in a step (ctx.do), and return what is needed of it",
                )
    finally:
        await rest.aclose()
    return bytes(whole)
