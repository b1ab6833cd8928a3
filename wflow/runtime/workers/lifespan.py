"""The lifespan of an ASGI application: it begins with its first request, once in a process."""

from __future__ import annotations

import asyncio
import sys
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from wflow.runtime.failures import trace_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]

START_S: Final = 30.0
"""How long an application may take to start up."""

_begun: dict[int, _Lifespan] = {}
"""By the application's address; it is kept, so that the address stays its own."""


async def state_of(app: Callable[..., Awaitable[None]]) -> Message | None:
    """Give the state that the application set up; None when it knows no lifespan.

    Raises RuntimeError when it failed to start, or took too long; it tries again with the next request.
    """
    found = _begun.get(id(app))
    loop = asyncio.get_running_loop()
    if found is None or found.loop is not loop:
        found = _begun[id(app)] = _Lifespan(app, loop)
    try:
        async with asyncio.timeout(START_S):
            supported = await asyncio.shield(found.started)
    except TimeoutError:
        found.end(app)
        raise RuntimeError(f"the ASGI application did not start up within {START_S:.0f} s") from None
    except RuntimeError:
        found.end(app)
        raise
    return found.state if supported else None


class _Lifespan:
    """One application, from its start on."""

    def __init__(self, app: Callable[..., Awaitable[None]], loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.loop = loop
        self.state: Message = {}
        self.started: asyncio.Future[bool] = loop.create_future()
        self._asked = False
        # What it begins belongs to no request.
        self._task = loop.create_task(self._run(), context=Context())

    def end(self, app: object) -> None:
        if _begun.get(id(app)) is self:
            del _begun[id(app)]
        self._task.cancel()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - an application that knows no lifespan may raise anything
            if self.started.done():
                print(trace_of(error).rstrip(), file=sys.stderr)  # noqa: T201 - this goes to the log
        finally:
            if not self.started.done():
                self.started.set_result(False)

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        return await self.loop.create_future()  # type: ignore[no-any-return]  # it never ends

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "lifespan.startup.complete" if not self.started.done():
                self.started.set_result(True)
            case "lifespan.startup.failed" if not self.started.done():
                told = message.get("message") or "no reason given"
                self.started.set_exception(RuntimeError(f"the ASGI application failed to start up: {told}"))
                self.started.exception()  # whoever waits for it has it
            case "lifespan.shutdown.complete" | "lifespan.shutdown.failed":
                pass  # it ends by itself
            case other:
                raise RuntimeError(f"the ASGI application sent {other!r}, which has no place here")
