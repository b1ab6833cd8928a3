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
PROMPT_MS: Final = 1_000
"""Timeouts up to this are armed at once; longer ones when the attempt has lasted a while (`Attempt.watch`)."""


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

    An attempt that takes longer than its timeout ends with a WorkflowTimeoutError: an async body is cancelled; a thread
    cannot be, and runs on unheard.
    """

    __slots__ = ("_body", "_done", "_expired", "_over", "_place", "_task", "_threads", "_timeout_ms", "_timer")

    def __init__(
        self, body: Body, place: Place, threads: Executor, *, timeout_ms: int, done: Callable[[Outcome], None]
    ) -> None:
        """Begin: the body runs with the loop's next pass."""
        self._body = body
        self._place = place
        self._threads = threads
        self._done = done
        self._timeout_ms = timeout_ms
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False
        self._over = False
        self._task = asyncio.get_running_loop().create_task(self._run())
        if timeout_ms <= PROMPT_MS:
            self.watch()

    def watch(self) -> None:
        """Arm the timeout; for most attempts, which end at once, nobody needs to."""
        if self._timer is None and not self._over:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._timeout_ms / 1000, self._expire)

    def give_up(self) -> None:
        """End it unheard."""
        self._over = True
        self._disarm()
        self._task.cancel()

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self) -> None:
        here.set(self._place)
        try:
            outcome = await self._call()
        except asyncio.CancelledError:
            if self._over:
                raise
            outcome = Err(failure_of(asyncio.CancelledError("the step's own task was cancelled")))
        if self._over:
            return
        self._over = True
        self._disarm()
        if self._expired and isinstance(outcome, Err):
            late = WorkflowTimeoutError(f"Execution timed out after {self._timeout_ms}ms")
            outcome = Err(failure_of(late))
        self._done(outcome)

    async def _call(self) -> Outcome:
        function, arguments = self._body.function, self._body.arguments
        try:
            if is_async(function):
                value = await function(*arguments)  # type: ignore[misc]
            else:
                call = functools.partial(contextvars.copy_context().run, function, *arguments)
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
