"""One call of the user's function: on the real loop when it is async, in a thread when it is not."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from itertools import count
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from wflow.engine import names
from wflow.engine.outcome import FULL, Err, Failure, Ok, Outcome
from wflow.engine.steps.do import Do
from wflow.engine.steps.poll import Poll
from wflow.engine.steps.rollback import PREFIX, Rollback
from wflow.errors import NonRetryableError, WorkflowTimeoutError
from wflow.runtime.delays import Delay
from wflow.runtime.failures import failure_of
from wflow.runtime.returned import kept
from wflow.runtime.seed import step_key
from wflow.runtime.step_context import context_of, settings_of
from wflow.runtime.streamed import Full, Pieces, Writing, is_stream, keep
from wflow.runtime.together import resumed

if TYPE_CHECKING:
    from concurrent.futures import Executor

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
    ``requests`` numbers what the attempt sends, from 0 on. ``pieces`` is where its streams go, ``room`` how
    many bytes the instance may still keep. ``checks`` is how many checks of a poll went before.
    """

    instance: int
    step: str
    attempt: int = 0
    seed: bytes = b""
    generation: int = 0
    pieces: Pieces | None = None
    room: int = names.STATE_BYTES
    checks: int = 0
    requests: Iterator[int] = msgspec.field(default_factory=count)


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


class Owner(Protocol):
    """Whose attempts they are."""

    @property
    def threads(self) -> Executor:
        """Where plain functions run."""
        ...

    def lasts(self, key: str) -> None:
        """Hear that an attempt of a step has not ended at once."""
        ...

    def ended(self, key: str, outcome: Outcome, delay_ms: int | None) -> None:
        """Hear how it ended, once, from the loop; ``delay_ms`` is what the delay function says, if any."""
        ...


class Attempt(msgspec.Struct, eq=False):
    """One call of a ``body``; ``owner`` hears its outcome, unless it is given up.

    An attempt that takes longer than its timeout ends with a WorkflowTimeoutError: an async body is
    cancelled; a thread cannot be, and runs on unheard. ``step`` is what it is an attempt of. The delay
    function is not asked about the ``last`` attempt that there may be.
    """

    owner: Owner
    body: Body
    place: Place
    timeout_ms: int
    step: Do | Poll | Rollback
    last: bool
    over: bool = False
    task: asyncio.Task[None] | None = None
    """Its own, if it does not end at once."""
    timer: asyncio.TimerHandle | None = None
    expired: bool = False
    abandoned: bool = False

    def begin(self) -> Coroutine[Any, Any, None] | None:
        """Call the body, in a context of its own; give what is left to do, None when it is over."""
        if self.over:
            return None
        here.set(self.place)
        body = self.body
        function = body.function
        if body.takes_context or not (is_async(function) if body.is_async is None else body.is_async):
            return self._run(self._called_body())
        try:
            called: Any = function(*body.arguments)
            if type(called) is not CoroutineType:
                return self._run(called)
            waits_for = called.send(None)
        except StopIteration as stop:
            value = stop.value
        except BaseException as error:  # noqa: BLE001 - it is the user's, and becomes a fact
            return self._ends(self._failed(error))
        else:
            return self._run(resumed(called, waits_for))
        if value is not None and is_stream(value):
            return self._run(_given(value))
        return self._ends(self._kept(value))

    def lasts(self, task: asyncio.Task[None]) -> None:
        """Go on in a task of its own."""
        self.task = task
        if self.over:
            task.cancel()
            return
        if self.timeout_ms <= PROMPT_MS:
            self.watch()
        self.owner.lasts(self.place.step)

    def watch(self) -> None:
        """Arm the timeout; for most attempts, which end soon, nobody needs to."""
        if self.timer is None and not self.over:
            loop = asyncio.get_running_loop()
            self.timer = loop.call_later(self.timeout_ms / 1000, self._expire)

    def give_up(self) -> None:
        """End it unheard."""
        self.over = True
        self._disarm()
        if self.task is not None:
            self.task.cancel()

    def _expire(self) -> None:
        assert self.task is not None, "what lasts has a task"
        self.expired = True
        self.task.cancel()
        self.timer = asyncio.get_running_loop().call_later(GOODBYE_S, self._abandon)

    def _abandon(self) -> None:
        """Go on without a body that will not be cancelled."""
        self.abandoned = True
        self.task = asyncio.get_running_loop().create_task(self._conclude(self._late()))

    def _disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    async def _run(self, called: Awaitable[object]) -> None:
        """Await what the body is, and end."""
        outcome: Outcome
        try:
            value = await called
            if is_stream(value):
                value = await keep(value, Writing(self.place, self.body.returns), self.owner.threads)
            outcome = self._kept(value)
        except asyncio.CancelledError as cancelled:
            if self.over:
                raise
            outcome = self._failed(cancelled)
        except BaseException as error:  # noqa: BLE001 - it is the user's, and becomes a fact
            outcome = self._failed(error)
        if self.abandoned:
            return
        left = self._ends(self._late() if self.expired and isinstance(outcome, Err) else outcome)
        if left is not None:
            await left

    def _ends(self, outcome: Outcome) -> Coroutine[Any, Any, None] | None:
        """Tell how it ended; give what is left to do, when a function is to say when to try again."""
        if self.body.delay is not None and isinstance(outcome, Err):
            return self._conclude(outcome)
        if not self.over:
            self.over = True
            if self.timer is not None:
                self._disarm()
            self.owner.ended(self.place.step, outcome, None)
        return None

    async def _conclude(self, outcome: Err) -> None:
        """Tell a failure; and when to try again, if a function says that."""
        self._disarm()
        delay, failure, delay_ms = self.body.delay, outcome.failure, None
        final = self.last or not failure.retryable or failure is self.body.pending
        if delay is not None and self._dynamic and not final and not self.over:
            said = await delay.ask(self._context(), failure, self._called)
            if isinstance(said, int):
                delay_ms = said
            else:
                outcome = Err(said)
        self._finish(outcome, delay_ms)

    def _finish(self, outcome: Outcome, delay_ms: int | None = None) -> None:
        if not self.over:
            self.over = True
            if self.timer is not None:
                self._disarm()
            self.owner.ended(self.place.step, outcome, delay_ms)

    @property
    def _dynamic(self) -> bool:
        """Whether a function gives the delays; not if the settings that the step began with are others."""
        if self.body.delay is None:
            return False
        return isinstance(self.step, Rollback) or self.step.dynamic

    def _context(self) -> StepContext:
        place, step = self.place, self.step
        key = place.step.removeprefix(PREFIX) if isinstance(step, Rollback) else place.step
        settings = settings_of(step.retry, dynamic=self._dynamic)
        return context_of(key, place.attempt, settings, step_key(place))

    def _late(self) -> Err:
        return Err(failure_of(WorkflowTimeoutError(f"Execution timed out after {self.timeout_ms}ms")))

    def _called_body(self) -> Awaitable[Any]:
        """Call the body, or have it called in a thread."""
        body = self.body
        function = body.function
        if body.takes_context:
            function = functools.partial(function, ctx=self._context())
        if not (is_async(function) if body.is_async is None else body.is_async):
            return self._plainly(function, body.arguments)
        called: Any = function(*body.arguments)
        return called  # type: ignore[no-any-return]

    def _kept(self, value: object) -> Outcome:
        """Turn what the body gave into its outcome."""
        body = self.body
        if body.pending is not None and (value is None or value is False):
            return Err(body.pending)
        if type(value) is Ok:  # a stream, which is kept already
            return value
        return Ok() if body.discards else kept(value, self.place.step, body.returns)

    def _failed(self, error: BaseException) -> Err:
        """Turn what the body raised into its outcome; SystemExit and the like end a step, and no runtime."""
        if isinstance(error, Full):
            return Err(FULL)
        if isinstance(error, asyncio.CancelledError):
            return Err(failure_of(asyncio.CancelledError("the step's own task was cancelled")))
        if not isinstance(error, Exception):
            return Err(failure_of(_ending(error)))
        failure = failure_of(error)
        if isinstance(error, self.body.final):
            failure = msgspec.structs.replace(failure, retryable=False)
        return Err(failure)

    async def _plainly(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        with Writing(self.place, self.body.returns) as writing:
            value = await self._called(partial(writing.called, function), *arguments)
            return await writing.end() if value is writing else value

    def _called(self, function: Callable[..., Any], *arguments: object) -> Awaitable[Any]:
        """Call a function where it belongs."""
        return function(*arguments) if is_async(function) else self._in_thread(function, arguments)

    async def _in_thread(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        call = functools.partial(contextvars.copy_context().run, _called_plainly, function, arguments)
        value = await asyncio.get_running_loop().run_in_executor(self.owner.threads, call)
        return await value if inspect.isawaitable(value) else value  # a lambda that calls an async function


async def _given(value: object) -> object:
    return value


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
