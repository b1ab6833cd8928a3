"""One call of the user's function: on the real loop when it is async, in a thread when it is not."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine.outcome import Err, Outcome
from wflow.errors import NonRetryableError, WorkflowTimeoutError
from wflow.runtime.failures import failure_of
from wflow.runtime.returned import kept
from wflow.runtime.step_context import context_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

THREADS: Final = 64
"""Sync step bodies at once in one runtime; more wait for a thread."""
PROMPT_MS: Final = 1_000
"""Timeouts up to this are armed at once, longer ones when the attempt has lasted a while (`watch`)."""
GOODBYE_S: Final = 5.0
"""How long a body that timed out may take to end once it is cancelled; after that it runs on unheard."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where code runs: which instance, which step, which attempt of it; what it prints is told with it."""

    instance: int
    step: str
    attempt: int = 0


here: contextvars.ContextVar[Place | None] = contextvars.ContextVar("wflow_place", default=None)


class Body(msgspec.Struct, frozen=True):
    """What a step calls; an error of a class in ``final`` is not tried again.

    ``settings`` are the step's, for a function that takes its context; None for one that does not.
    ``returns`` is the type of what it gives, None when nothing is known of it.
    """

    function: Callable[..., object]
    arguments: Sequence[object] = ()
    final: tuple[type[Exception], ...] = ()
    settings: Mapping[str, object] | None = None
    returns: object = None


class Attempt:
    """One call under way; ``done`` hears its outcome once, from the loop, unless it is given up.

    An attempt that takes longer than its timeout ends with a WorkflowTimeoutError: an async body is
    cancelled; a thread cannot be, and runs on unheard.
    """

    __slots__ = (
        "_body",
        "_done",
        "_expired",
        "_over",
        "_place",
        "_task",
        "_threads",
        "_timeout_ms",
        "_timer",
    )

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
        self._timer = asyncio.get_running_loop().call_later(GOODBYE_S, self._abandon)

    def _abandon(self) -> None:
        """Go on without a body that will not be cancelled."""
        self._finish(self._late())

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
        self._finish(self._late() if self._expired and isinstance(outcome, Err) else outcome)

    def _finish(self, outcome: Outcome) -> None:
        if not self._over:
            self._over = True
            self._disarm()
            self._done(outcome)

    def _late(self) -> Err:
        return Err(failure_of(WorkflowTimeoutError(f"Execution timed out after {self._timeout_ms}ms")))

    async def _call(self) -> Outcome:
        """Call the body; raises nothing but the CancelledError of its own task."""
        function, arguments = self._body.function, self._body.arguments
        if self._body.settings is not None:
            context = context_of(self._place.step, self._place.attempt, self._body.settings)
            function = functools.partial(function, ctx=context)
        try:
            if is_async(function):
                value = await function(*arguments)  # type: ignore[misc]
            else:
                call = functools.partial(contextvars.copy_context().run, _in_thread, function, arguments)
                value = await asyncio.get_running_loop().run_in_executor(self._threads, call)
                if inspect.isawaitable(value):  # a lambda that calls an async function
                    value = await value
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the user's, and becomes a fact
            failure = failure_of(error)
            if isinstance(error, self._body.final):
                failure = msgspec.structs.replace(failure, retryable=False)
            return Err(failure)
        except BaseException as error:  # noqa: BLE001 - SystemExit, KeyboardInterrupt: they end the step, no runtime
            return Err(failure_of(_ending(error)))
        return kept(value, self._place.step, self._body.returns)


def is_async(function: Callable[..., object]) -> bool:
    """Tell whether calling ``function`` gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:  # an object with a __call__
        return inspect.iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _in_thread(function: Callable[..., object], arguments: Sequence[object]) -> object:
    """Call a plain function, and raise only what a future can carry from one thread to another."""
    try:
        return function(*arguments)
    except StopIteration as stop:  # a coroutine, too, makes this of it
        raise RuntimeError("the step raised StopIteration") from stop
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:
        raise _ending(error) from error


def _ending(error: BaseException) -> NonRetryableError:
    return NonRetryableError(f"the step raised {type(error).__qualname__}")
