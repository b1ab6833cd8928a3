"""Calls of a Worker's methods by other Workers: `await env.OTHER.add(1, 2)`."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import values
from wflow.errors import InvalidInput
from wflow.link.frames import FRAME_BYTES, Answered, Ask
from wflow.runtime.authoring import WorkerEntrypoint
from wflow.runtime.execution import entered
from wflow.runtime.failures import failure_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.engine.outcome import Failure
    from wflow.runtime.env import Env
    from wflow.runtime.execution import ExecutionContext

RPC_BYTES: Final = FRAME_BYTES // 8
"""What the arguments of one call may take, and what it gives."""
RESERVED: Final = frozenset({"fetch", "scheduled", "queue", "ctx", "env", *dir(WorkerEntrypoint)})
"""What is no method for others: requests and events have their own ways in."""


async def answer(worker: type | None, env: Env, ctx: ExecutionContext, ask: Ask) -> Answered:
    """Call the method and tell what it gives, or raises: that is in the log as well."""
    try:
        method = _method(worker, env, ctx, ask)
        args: Any = values.decode(ask.args)
        given, named = args
        with entered(ctx):
            result = method(*given, **named)
            if inspect.isawaitable(result):
                result = await result
        return Answered(ask.call, values.encode(result, limit=RPC_BYTES))
    except BaseException as error:  # noqa: BLE001 - SystemExit must end no runtime, and somebody waits for the answer
        if not isinstance(error, InvalidInput):
            print(trace_of(error).rstrip(), file=sys.stderr)  # noqa: T201 - this goes to the log
        return Answered(ask.call, values.NONE, crossing(failure_of(error)))


def crossing(failure: Failure) -> Failure:
    """Give a failure as another Worker raises it: where it came from is in this one's log."""
    return msgspec.structs.replace(failure, trace="", notes=[], cause=None)


def _method(worker: type | None, env: Env, ctx: ExecutionContext, ask: Ask) -> Callable[..., Any]:
    """Find the method; raises InvalidInput for one that others may not call."""
    name = ask.method
    if worker is None:
        what = f"no class {ask.entrypoint!r} of a Worker" if ask.entrypoint else "no Worker"
        raise InvalidInput(f"the service has {what}")
    if name.startswith("_") or name in RESERVED or not callable(getattr(worker, name, None)):
        open_to = [each for each in dir(worker) if not each.startswith("_") and each not in RESERVED]
        known = ", ".join(each for each in open_to if callable(getattr(worker, each))) or "none"
        raise InvalidInput(
            f'The RPC receiver does not implement the method "{name}".', hint=f"its methods are: {known}"
        )
    method: Callable[..., Any] = getattr(worker(ctx, env), name)
    return method
