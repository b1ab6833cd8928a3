"""Service bindings: another Worker of the runner, asked as if it were a method away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from wflow.engine import values
from wflow.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wflow.bindings.binding import Called, Send
    from wflow.bindings.control import Control

DEPTH: Final = 32
"""Through so many Workers a request may come; Cloudflare's limit."""
ARGUMENT_BYTES: Final = 32 * 1024 * 1024
"""What the body of a request to another Worker may take, or the arguments of a call."""

RECURSED: Final = (
    "Subrequest depth limit exceeded. This request recursed through Workers too many times. This can happen "
    "e.g. if you have a Worker that calls other Workers recursively."
)


class Services(Protocol):
    """The Workers of a runner, for each other."""

    async def fetch(self, service: str, asked: list[Any]) -> list[Any]:
        """Hand a request to a Worker: entrypoint, method, url, headers, body, whether whole, and the depth.

        Gives status, headers, body, and the number by which `read` gives more of the body, if there is more.
        """
        ...

    async def read(self, number: str) -> bytes | None:
        """Give more of an answer's body; None at its end."""
        ...

    async def close(self, number: str) -> None:
        """Want no more of an answer's body."""
        ...

    async def ask(self, service: str, asked: list[Any]) -> object:
        """Call a method: entrypoint, name, encoded arguments, and the depth."""
        ...


class Service:
    """Another Worker: its methods are called by their names, `fetch` is the runtime's."""

    def __init__(self, send: Send, depth: Callable[[], int] = lambda: 0) -> None:
        """Call the provider by ``send``; ``depth`` tells how far the request at hand has come."""
        self._send = send
        self._depth = depth

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Give a method of the other Worker; whether it has one is found out when it is called."""
        if name.startswith("_"):
            raise AttributeError(f"a service has no method {name!r} for others")

        def method(*given: object, **named: object) -> Awaitable[Any]:
            return self._send("ask", [name, list(given), named, self._depth()])

        return method


stub = Service


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the Worker ``target``, `worker` or `worker#Class`."""
    service, _, entrypoint = target.partition("#")
    match call.method, call.arguments:
        case "fetch", [str(method), str(url), list(headers), bytes(body), bool(whole), int(depth)]:
            _check(depth, body)
            asked = [entrypoint, method, url, headers, body, whole, depth + 1]
            return await control.services.fetch(service, asked)
        case "ask", [str(name), list(given), dict(named), int(depth)]:
            args = values.encode([given, named], limit=ARGUMENT_BYTES)
            _check(depth, args)
            return await control.services.ask(service, [entrypoint, name, args, depth + 1])
        case "read", [str(number)]:
            return await control.services.read(number)
        case "close", [str(number)]:
            await control.services.close(number)
            return None
    raise InvalidInput(f"a service has no operation {call.method!r} with {len(call.arguments)} arguments")


def _check(depth: int, body: bytes) -> None:
    if depth >= DEPTH:
        raise InvalidInput(RECURSED)
    if len(body) > ARGUMENT_BYTES:
        raise InvalidInput(
            f"a service is handed {len(body):,} bytes; the limit is {ARGUMENT_BYTES:,}",
            hint="keep it in KV and hand over its key",
        )
