"""One call of the user's function: on the real loop when it is async, in a thread when it is not."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import names
from wflow.engine.outcome import FULL, Err, Failure, Ok, Outcome
from wflow.engine.steps.rollback import PREFIX, Rollback
from wflow.errors import NonRetryableError, WorkflowTimeoutError
from wflow.runtime.delays import Delay
from wflow.runtime.failures import failure_of
from wflow.runtime.returned import kept
from wflow.runtime.seed import step_key
from wflow.runtime.step_context import context_of, settings_of
from wflow.runtime.streamed import Full, Pieces, Writing, is_stream, keep

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from wflow.engine.steps.do import Do
    from wflow.engine.steps.poll import Poll
    from wflow.runtime.step_context import StepContext

THREADS: Final = 64
"""Sync step bodies at once in one runtime; more wait for a thread."""
PROMPT_MS: Final = 1_000
"""Timeouts up to this are armed at once, longer ones when the attempt has lasted a while (`watch`)."""
GOODBYE_S: Final = 5.0
"""How long a body that timed out may take to end once it is cancelled; after that it runs on unheard."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where code runs: which instance, which step, which attempt of it; what it prints is told with it.

    ``seed`` is the instance's, ``generation`` how often that was restarted before the step opened.
    ``requests`` numbers what the attempt sends. ``pieces`` is where its streams go, ``room`` how many bytes
    the instance may still keep.
    """

    instance: int
    step: str
    attempt: int = 0
    seed: bytes = b""
    generation: int = 0
    pieces: Pieces | None = None
    room: int = names.STATE_BYTES
    requests: Iterator[int] = msgspec.field(default_factory=partial(count, 1))


here: contextvars.ContextVar[Place | None] = contextvars.ContextVar("wflow_place", default=None)


class Body(msgspec.Struct, frozen=True):
    """What a step calls; an error of a class in ``final`` is not tried again.

    ``returns`` is the type of what it gives, None when nothing is known of it; what it gives is of no
    interest if it ``discards`` that. ``delay`` says how long to wait after a failure. None and False are
    noted as the failure ``pending``, if there is one. ``is_async`` tells of the function, if it is known.
    """

    function: Callable[..., object]
    arguments: Sequence[object] = ()
    final: tuple[type[Exception], ...] = ()
    takes_context: bool = False
    returns: object = None
    discards: bool = False
    delay: Delay | None = None
    pending: Failure | None = None
    is_async: bool | None = None


class Attempt:
    """One call under way; ``done`` hears its outcome once, from the loop, unless it is given up.

    An attempt that takes longer than its timeout ends with a WorkflowTimeoutError: an async body is
    cancelled; a thread cannot be, and runs on unheard.
    """

    __slots__ = (
        "_abandoned",
        "_body",
        "_done",
        "_expired",
        "_last",
        "_over",
        "_place",
        "_step",
        "_task",
        "_threads",
        "_timeout_ms",
        "_timer",
    )

    def __init__(
        self,
        body: Body,
        place: Place,
        threads: Executor,
        *,
        timeout_ms: int,
        step: Do | Poll | Rollback,
        last: bool,
        done: Callable[[str, Outcome, int | None], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Begin: the body runs with the loop's next pass.

        ``step`` is what it is an attempt of. ``done`` also gets what the delay function says, which is not
        asked about the ``last`` attempt that there may be.
        """
        self._body = body
        self._step = step
        self._last = last
        self._place = place
        self._threads = threads
        self._done = done
        self._timeout_ms = timeout_ms
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False
        self._abandoned = False
        self._over = False
        # Asking for the running loop is a system call, to see whether the process was forked.
        self._task = (asyncio.get_running_loop() if loop is None else loop).create_task(self._run())
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
        self._abandoned = True
        self._task = asyncio.get_running_loop().create_task(self._conclude(self._late()))

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self) -> None:
        here.set(self._place)
        outcome: Outcome
        try:
            value = await self._called_body()
            if is_stream(value):
                value = await keep(value, Writing(self._place, self._body.returns), self._threads)
            outcome = self._kept(value)
        except asyncio.CancelledError:
            if self._over:
                raise
            outcome = Err(failure_of(asyncio.CancelledError("the step's own task was cancelled")))
        except BaseException as error:  # noqa: BLE001 - it is the user's, and becomes a fact
            outcome = self._failed(error)
        if self._abandoned:
            return
        if isinstance(outcome, Ok):
            self._finish(outcome)
        else:
            await self._conclude(self._late() if self._expired else outcome)

    async def _conclude(self, outcome: Err) -> None:
        """Tell a failure; and when to try again, if a function says that."""
        self._disarm()
        delay, failure, delay_ms = self._body.delay, outcome.failure, None
        final = self._last or not failure.retryable or failure is self._body.pending
        if delay is not None and self._dynamic and not final and not self._over:
            said = await delay.ask(self._context(), failure, self._called)
            if isinstance(said, int):
                delay_ms = said
            else:
                outcome = Err(said)
        self._finish(outcome, delay_ms)

    def _finish(self, outcome: Outcome, delay_ms: int | None = None) -> None:
        if not self._over:
            self._over = True
            if self._timer is not None:
                self._disarm()
            self._done(self._place.step, outcome, delay_ms)

    @property
    def _dynamic(self) -> bool:
        """Whether a function gives the delays; not if the settings that the step began with are others."""
        if self._body.delay is None:
            return False
        return isinstance(self._step, Rollback) or self._step.dynamic

    def _context(self) -> StepContext:
        place, step = self._place, self._step
        key = place.step.removeprefix(PREFIX) if isinstance(step, Rollback) else place.step
        settings = settings_of(step.retry, dynamic=self._dynamic)
        return context_of(key, place.attempt, settings, step_key(place))

    def _late(self) -> Err:
        return Err(failure_of(WorkflowTimeoutError(f"Execution timed out after {self._timeout_ms}ms")))

    def _called_body(self) -> Awaitable[Any]:
        """Call the body, or have it called in a thread."""
        body = self._body
        function = body.function
        if body.takes_context:
            function = functools.partial(function, ctx=self._context())
        if not (is_async(function) if body.is_async is None else body.is_async):
            return self._plainly(function, body.arguments)
        called: Any = function(*body.arguments)
        return called  # type: ignore[no-any-return]

    def _kept(self, value: object) -> Outcome:
        """Turn what the body gave into its outcome."""
        body = self._body
        if body.pending is not None and (value is None or value is False):
            return Err(body.pending)
        if type(value) is Ok:  # a stream, which is kept already
            return value
        return Ok() if body.discards else kept(value, self._place.step, body.returns)

    def _failed(self, error: BaseException) -> Err:
        """Turn what the body raised into its outcome; SystemExit and the like end a step, and no runtime."""
        if isinstance(error, Full):
            return Err(FULL)
        if not isinstance(error, Exception):
            return Err(failure_of(_ending(error)))
        failure = failure_of(error)
        if isinstance(error, self._body.final):
            failure = msgspec.structs.replace(failure, retryable=False)
        return Err(failure)

    async def _plainly(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        with Writing(self._place, self._body.returns) as writing:
            value = await self._called(partial(writing.called, function), *arguments)
            return await writing.end() if value is writing else value

    def _called(self, function: Callable[..., Any], *arguments: object) -> Awaitable[Any]:
        """Call a function where it belongs."""
        return function(*arguments) if is_async(function) else self._in_thread(function, arguments)

    async def _in_thread(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        call = functools.partial(contextvars.copy_context().run, _called_plainly, function, arguments)
        value = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        return await value if inspect.isawaitable(value) else value  # a lambda that calls an async function


def is_async(function: Callable[..., object]) -> bool:
    """Tell whether calling ``function`` gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:  # an object with a __call__
        return inspect.iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _called_plainly(function: Callable[..., object], arguments: Sequence[object]) -> object:
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
