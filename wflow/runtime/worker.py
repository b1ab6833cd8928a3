"""Answers HTTP requests with the Worker's `fetch`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wflow.runtime.failures import trace_of
from wflow.runtime.http import Request, Response

if TYPE_CHECKING:
    from wflow.link.frames import Fetch, Headers
    from wflow.runtime.env import Env


async def answer(worker: type | None, env: Env, fetch: Fetch) -> tuple[int, Headers, bytes]:
    """Give status, headers and body; a handler that raises gives a 500 with its traceback, for the runner to show or hide."""
    if worker is None:
        text = "This project has no Worker: define `class Default(WorkerEntrypoint)` with `async def fetch(self, request)`.\n"
        return 404, [("content-type", "text/plain; charset=utf-8")], text.encode()
    request = Request(fetch.method, fetch.url, fetch.headers, fetch.body)
    try:
        response = await worker(None, env).fetch(request)
        if not isinstance(response, Response):
            message = f"fetch must return a Response, not {type(response).__name__}"
            raise TypeError(message)  # noqa: TRY301 - told like any other mistake of the handler
    except Exception as error:  # noqa: BLE001 - the user's handler may raise anything
        trace = trace_of(error)
        print(trace.rstrip(), file=sys.stderr)
        return 500, [("content-type", "text/plain; charset=utf-8"), ("x-wflow-error", "1")], trace.encode()
    return response.status, response.headers.items(), response.body
