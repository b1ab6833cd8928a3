"""Answers HTTP requests with the Worker's `fetch`."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wflow.link import mishap
from wflow.runtime import mishaps, workers
from wflow.runtime.failures import trace_of
from wflow.runtime.fitting import fitting
from wflow.runtime.http import Request, Response

if TYPE_CHECKING:
    from wflow.link import frames
    from wflow.runtime.body import Source
    from wflow.runtime.env import Env
    from wflow.runtime.execution import ExecutionContext

    Asked = tuple[frames.Fetch, Source]

TEXT: Final = ("content-type", "text/plain; charset=utf-8")
NO_WORKER: Final = "This project has no Worker: `class Default(WorkerEntrypoint)` with `async def fetch`.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send: ``mishap`` tells of a handler that raised, for whoever may see that."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | AsyncIterator[bytes]
    mishap: bytes = b""


async def answer(worker: type | None, env: Env, ctx: ExecutionContext, given: Asked) -> Answer:
    """Have the Worker answer a request: the frame, and the body.

    A handler that raises, whatever it is, gives a 500 with its traceback, for the runner to show or hide.
    """
    if worker is None:
        return Answer(status=404, headers=[TEXT], body=NO_WORKER.encode())
    try:
        handler: Any = worker(ctx, env).fetch
        response = handler(*fitting(handler, _request(worker, *given), env, ctx))
        if inspect.isawaitable(response):
            response = await response
        if not isinstance(response, Response):
            raise TypeError(f"fetch must return a Response, not {type(response).__name__}")  # noqa: TRY301
        status, headers, source = response.parts()
        return Answer(status=status, headers=headers, body=source)
    except BaseException as error:  # SystemExit must end no runtime, and somebody waits for the answer
        if ctx.abandoned and isinstance(error, asyncio.CancelledError):
            raise
        return sorry(error)


def sorry(error: BaseException) -> Answer:
    """Tell what a handler raised, to whoever asked and in the log."""
    trace = trace_of(error)
    print(trace.rstrip(), file=sys.stderr)  # noqa: T201 - this goes to the log, as the handler's own lines do
    told = mishap.encode(mishaps.of(error))
    return Answer(status=500, headers=[TEXT], body=trace.encode(errors="replace"), mishap=told)


def _request(worker: type, fetch: frames.Fetch, body: Source) -> Request:
    if issubclass(worker, workers.WorkerEntrypoint):
        return workers.Request.of(fetch, body)
    return Request(fetch.method, fetch.url, fetch.headers, body)
