"""One call of the user's function: on the real loop when it is async, in a thread when it is not."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.engine import values
from wflow.engine.outcome import Err, Ok, Outcome
from wflow.errors import NonRetryableError, TooLarge, UnserializableError, WorkflowTimeoutError
from wflow.runtime.failures import failure_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

THREADS: Final = 64
"""Sync step bodies at once in one runtime; more wait for a thread."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where code runs: which instance, which step; what it prints is told with it."""

    instance: int
    step: str


here: contextvars.ContextVar[Place | None] = contextvars.ContextVar("wflow_place", default=None)


@dataclass(frozen=True, slots=True)
class Body:
    """What a step calls."""

    function: Callable[..., object]
    arguments: tuple[object, ...] = ()


class Attempt:
    """One call under way; ``done`` hears its outcome once, from the loop, unless it is given up.

    An attempt that takes longer than ``timeout_ms`` ends with a WorkflowTimeoutError: an async body is cancelled; a
    thread cannot be, and runs on unheard.
    """

    __slots__ = ("_body", "_context", "_done", "_expired", "_place", "_task", "_threads", "_timer")

    def __init__(
        self, body: Body, place: Place, threads: Executor, *, timeout_ms: int, done: Callable[[Outcome], None]
    ) -> None:
        """Begin: the body runs with the loop's next pass."""
        loop = asyncio.get_running_loop()
        self._body = body
        self._place = place
        self._threads = threads
        self._done = done
        self._expired = 0
        self._context = contextvars.copy_context()
        self._context.run(here.set, place)
        self._task = loop.create_task(self._call(), context=self._context)
        self._task.add_done_callback(self._finished)
        self._timer = loop.call_later(timeout_ms / 1000, self._expire, timeout_ms)

    def give_up(self) -> None:
        """End it unheard."""
        self._timer.cancel()
        self._task.remove_done_callback(self._finished)
        self._task.cancel()

    def _expire(self, timeout_ms: int) -> None:
        self._expired = timeout_ms
        self._task.cancel()

    def _finished(self, task: asyncio.Task[Outcome]) -> None:
        self._timer.cancel()
        if self._expired and (task.cancelled() or isinstance(task.result(), Err)):
            late = WorkflowTimeoutError(f"Execution timed out after {self._expired}ms")
            self._done(Err(failure_of(late)))
        elif task.cancelled():
            self._done(Err(failure_of(asyncio.CancelledError("the step's own task was cancelled"))))
        else:
            self._done(task.result())

    async def _call(self) -> Outcome:
        function, arguments = self._body.function, self._body.arguments
        try:
            if is_async(function):
                value = await function(*arguments)  # type: ignore[misc]
            else:
                call = functools.partial(self._context.copy().run, function, *arguments)
                value = await asyncio.get_running_loop().run_in_executor(self._threads, call)
                if inspect.isawaitable(value):  # a lambda that calls an async function
                    value = await value
        except (SystemExit, KeyboardInterrupt) as error:
            return Err(failure_of(NonRetryableError(f"the step raised {type(error).__name__}")))
        except Exception as error:  # noqa: BLE001 - it is the user's, and becomes a fact
            return Err(failure_of(error))
        try:
            return Ok(values.encode(value))
        except (UnserializableError, TooLarge) as wrong:
            problem = f"step {self._place.step!r} returned what cannot be kept: {wrong}"
            return Err(failure_of(NonRetryableError(problem, type(wrong).__name__)))


def is_async(function: Callable[..., object]) -> bool:
    """Tell whether calling ``function`` gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:  # an object with a __call__
        return inspect.iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004
    return bool(code.co_flags & inspect.CO_COROUTINE)
