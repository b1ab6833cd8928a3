"""Calls a Worker's handlers for what is no request: `queue` with a batch, `scheduled` with a time."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any

from wflow.engine import names, values
from wflow.engine.outcome import Failure
from wflow.link.frames import FRAME_BYTES, Handle, Handled
from wflow.runtime.execution import ExecutionContext, entered
from wflow.runtime.failures import failure_of, trace_of
from wflow.runtime.fitting import fitting
from wflow.runtime.messages import MessageBatch
from wflow.runtime.scheduled import ScheduledController

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.runtime.env import Env
    from wflow.runtime.loader import Code

    Event = MessageBatch | ScheduledController

KINDS: dict[str, Callable[[Any], Event]] = {"queue": MessageBatch, "scheduled": ScheduledController}
"""What each handler is called with, made of what the runner has sent."""


async def handle(code: Code, env: Env, message: Handle) -> Handled:
    """Call the handler, wait for what it let go on, and tell what came of it.

    What it raises, whatever that is, is shown in the log. It is the answer's failure, but of `queue` the
    answer says what is to become of each message.
    """
    made = KINDS.get(message.kind)
    if made is None:
        failure = Failure("TypeError", f"there is no handler {message.kind!r}", "builtins:TypeError")
        return Handled(message.call, failure=failure)
    try:
        event = made(values.decode(message.event))
        failed = await _call(code.worker, env, message.kind, event)
        answer = event.answer(failed)
        return Handled(message.call, values.encode(answer, limit=FRAME_BYTES // 4), event.failure(failed))
    except BaseException as error:  # noqa: BLE001 - somebody waits for the answer, whatever it is
        return Handled(message.call, failure=failure_of(error))


async def _call(worker: type | None, env: Env, kind: str, event: Event) -> Failure | None:
    if not callable(getattr(worker, kind, None)):
        return Failure("TypeError", f"Handler does not export a {kind}() function.", "builtins:TypeError")
    assert worker is not None
    ctx = ExecutionContext()
    failure = None
    try:
        with entered(ctx):
            async with asyncio.timeout(names.HANDLE_S):
                handler = getattr(worker(ctx, env), kind)
                returned = handler(*fitting(handler, event, env, ctx))
                if inspect.isawaitable(returned):
                    await returned
    except BaseException as error:  # noqa: BLE001 - SystemExit must end no runtime, and somebody waits for the answer
        print(trace_of(error).rstrip(), file=sys.stderr)  # noqa: T201 - this goes to the log
        failure = failure_of(error)
    await ctx.finished()
    return failure
