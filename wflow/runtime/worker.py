"""Answers HTTP requests with the Worker's `fetch`."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Final

from wflow.runtime import workers
from wflow.runtime.execution import ExecutionContext
from wflow.runtime.failures import trace_of
from wflow.runtime.fitting import fitting
from wflow.runtime.http import Request, Response

if TYPE_CHECKING:
    from wflow.link.frames import Fetch, Headers
    from wflow.runtime.env import Env

TEXT: Final = ("content-type", "text/plain; charset=utf-8")
NO_WORKER: Final = "This project has no Worker: `class Default(WorkerEntrypoint)` with `async def fetch`.\n"


async def answer(worker: type | None, env: Env, fetch: Fetch) -> tuple[int, Headers, bytes]:
    """Give status, headers and body.

    A handler that raises, whatever it is, gives a 500 with its traceback, for the runner to show or hide.
    """
    if worker is None:
        return 404, [TEXT], NO_WORKER.encode()
    try:
        ctx = ExecutionContext()
        handler = worker(ctx, env).fetch
        response = handler(*fitting(handler, _request(worker, fetch), env, ctx))
        if inspect.isawaitable(response):
            response = await response
        if not isinstance(response, Response):
            raise TypeError(f"fetch must return a Response, not {type(response).__name__}")  # noqa: TRY301
        return response.parts()
    except BaseException as error:  # noqa: BLE001 - SystemExit must end no runtime, and somebody waits for the answer
        trace = trace_of(error)
        print(trace.rstrip(), file=sys.stderr)  # noqa: T201 - this goes to the log, as the handler's own lines do
        return 500, [TEXT, ("x-wflow-error", "1")], trace.encode(errors="replace")


def _request(worker: type, fetch: Fetch) -> Request:
    if issubclass(worker, workers.WorkerEntrypoint):
        return workers.Request.of(fetch)
    return Request(fetch.method, fetch.url, fetch.headers, fetch.body)
