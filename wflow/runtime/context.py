"""What `run` gets as its last argument: the steps, and the workflow's log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from wflow.engine import names, values
from wflow.engine.durations import milliseconds
from wflow.engine.steps.do import Do
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import InvalidInput
from wflow.runtime import event
from wflow.runtime.annotations import returned
from wflow.runtime.attempt import Body
from wflow.runtime.decorated import Declaration, Decorated, policy_of
from wflow.runtime.step_context import settings_of, wants_context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from datetime import timedelta

    from wflow.engine.retry import Retry
    from wflow.runtime.decorated import DecoratedStep
    from wflow.runtime.event import Event
    from wflow.runtime.output import Output
    from wflow.runtime.turn import Turn

T = TypeVar("T")
LEVELS: Final = ("debug", "info", "warn", "error")
_NOTHING: Final[Any] = object()


class Context:
    """The steps of one instance. An outcome is on disk before the code sees it, and is never made twice."""

    def __init__(self, turn: Turn, output: Output) -> None:
        """Tie it to its turn; ``output`` takes what is logged inside a step."""
        self._turn = turn
        self._output = output
        self._decorated = Decorated(self._begin)

    @overload
    def do(
        self,
        name: str,
        function: Callable[..., object],
        *arguments: object,
        returns: type[T],
        retries: Mapping[str, object] | None = None,
        timeout: float | str | timedelta | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def do(
        self,
        name: str,
        function: Callable[..., Awaitable[T]],
        *arguments: object,
        returns: object = None,
        retries: Mapping[str, object] | None = None,
        timeout: float | str | timedelta | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def do(
        self,
        name: str,
        function: Callable[..., T],
        *arguments: object,
        returns: object = None,
        retries: Mapping[str, object] | None = None,
        timeout: float | str | timedelta | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def do(
        self,
        name: str | None = None,
        *,
        depends: Sequence[DecoratedStep[Any]] | None = None,
        concurrent: bool = False,
        returns: object = None,
        retries: Mapping[str, object] | None = None,
        timeout: float | str | timedelta | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Declaration: ...

    def do(
        self,
        name: str | None = None,
        function: Any = _NOTHING,
        *arguments: object,
        depends: Any = None,
        concurrent: bool = False,
        returns: object = None,
        retries: Mapping[str, object] | None = None,
        timeout: float | str | timedelta | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Any:
        """Call ``function(*arguments)`` durably and give what it returned.

        An async function runs on the process's event loop, a plain one in a thread; a parameter called `ctx`
        that no argument fills gets the step's context. ``retries`` takes ``limit`` (retries, so attempts are
        one more; 5), ``delay`` ("10 seconds") and ``backoff`` ("constant", "linear" or "exponential");
        ``timeout`` is for each attempt ("10 minutes"); ``config`` is a dict of both. The last attempt's error
        is raised here, where it can be caught.

        What the function gives comes back as ``returns``, or as its return annotation says: a dataclass, an
        enum, a model, a tuple. Without either it is plain data. What does not fit fails the step at once with
        MismatchError; ``returns=object`` takes anything as it is.

        Without a function it is a decorator, see `wflow.runtime.decorated`: ``depends`` lists the steps whose
        results fill the function's parameters, instead of those that the parameters name; ``concurrent`` runs
        them side by side.

        Raises InvalidInput for a name, a policy or a function that cannot be.
        """
        if isinstance(function, (list, tuple)):  # Cloudflare's older SDK takes all of them by their place
            given: dict[str, Any] = dict(zip(("concurrent", "config"), arguments, strict=False))
            return self.do(name, depends=function, **given)
        if function is _NOTHING:
            if callable(name):
                raise InvalidInput('write `@ctx.do()` or `@ctx.do("name")`, with the parentheses')
            policy = partial(policy_of, config=config, retries=retries, timeout=timeout)
            return Declaration(
                self._decorated,
                name,
                depends=depends,
                concurrent=concurrent,
                policy=policy,
                returns=returns,
            )
        name = names.step_name(name)
        if not callable(function):
            raise InvalidInput(
                f"step {name!r}: the second argument must be a function, not {type(function).__name__}",
                hint="ctx.do(name, function, *arguments, retries={...}, timeout=...)",
            )
        if depends is not None or concurrent:
            raise InvalidInput(f"step {name!r}: depends and concurrent are for a decorated step")
        retry = policy_of(name, config=config, retries=retries, timeout=timeout)
        takes_context = wants_context(function, len(arguments))
        return self._begin(name, function, arguments, retry, takes_context=takes_context, returns=returns)

    def _begin(
        self,
        name: str,
        function: Callable[..., object],
        arguments: Sequence[object],
        retry: Retry,
        *,
        takes_context: bool,
        returns: object = None,
    ) -> Coroutine[Any, Any, Any]:
        settings = settings_of(retry) if takes_context else None
        digest = values.digest_of(tuple(arguments)) if arguments else b""
        body = Body(function, arguments, settings=settings, returns=returned(name, function, returns))
        return self._turn.step(Do(name, retry), body, digest)

    async def sleep(self, name: str, duration: float | str | timedelta) -> None:
        """Sleep durably: milliseconds, "10 seconds" or a timedelta; 365 days at most."""
        await self._turn.step(Sleep(names.step_name(name), _milliseconds(name, duration)))

    async def sleep_until(self, name: str, moment: datetime | float) -> None:
        """Sleep until a datetime (a naive one is UTC) or milliseconds since 1970; a past one is over at once.

        Raises InvalidInput for one that is more than 365 days ahead.
        """
        until = _instant(names.step_name(name), moment)
        if until - self._turn.loop.now * 1000 > names.WAIT_MS_MAX:
            raise InvalidInput(f"step {name!r}: {names.shown(moment)} is more than 365 days ahead")
        await self._turn.step(Sleep(name, until=until))

    @overload
    async def wait_for_event(
        self, name: str, type: str, timeout: float | str | timedelta = ..., *, returns: type[T]
    ) -> Event[T]: ...

    @overload
    async def wait_for_event(
        self, name: str, type: str, timeout: float | str | timedelta = ..., *, returns: object = None
    ) -> Event: ...

    async def wait_for_event(
        self,
        name: str,
        type: str,
        timeout: float | str | timedelta = names.EVENT_WAIT_MS,
        *,
        returns: object = None,
    ) -> Event[Any]:
        """Wait for an event of a type and give it: ``payload``, ``timestamp``, ``type``.

        Events that came before the wait are kept, first in, first out. The payload comes as the type
        ``returns``. Raises WorkflowTimeoutError, which can be caught, after ``timeout`` (1 second to 365
        days), and MismatchError for a payload that does not fit.
        """
        names.step_name(name)
        timeout_ms = _milliseconds(name, timeout)
        if timeout_ms < names.EVENT_WAIT_MS_MIN:
            raise InvalidInput(f"step {name!r}: a wait lasts at least 1 second, not {timeout_ms} ms")
        got: Any = await self._turn.step(WaitForEvent(name, names.event_type(type), timeout_ms))
        return event.fitted(got, returns, name)

    def log(
        self, message: object, detail: Mapping[str, object] | None = None, *, level: str = "info"
    ) -> None:
        """Log a line, with values beside it; in workflow code once, however often it replays.

        Raises InvalidInput for an unknown level or a detail that is no mapping, UnserializableError for
        values that cannot be kept.
        """
        if level not in LEVELS:
            raise InvalidInput(f"a log level is one of {', '.join(LEVELS)}, not {names.shown(level)}")
        if not isinstance(detail, (Mapping, NoneType)):
            raise InvalidInput(
                f"ctx.log takes a dict of values beside the message, not {names.shown(detail)}"
            )
        text = names.cut(str(message))
        shown: Any = values.json_ready(values.decode(values.encode(dict(detail or {}))))
        if self._in_workflow():
            self._turn.log(level, text, shown)
        else:
            self._output.say(level, text, shown)

    def _in_workflow(self) -> bool:
        return asyncio._get_running_loop() is self._turn.loop  # noqa: SLF001 - unlike the public one, it does not raise


def _instant(name: str, moment: object) -> int:
    try:
        match moment:
            case datetime():
                aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
                return max(0, round(aware.timestamp() * 1000))
            case int() | float() if not isinstance(moment, bool):
                return max(0, round(moment))
    except (ValueError, OverflowError):  # it is no number, or infinite, or at the edge of the calendar
        pass
    raise InvalidInput(
        f"step {name!r}: sleep_until takes a datetime or milliseconds, not {names.shown(moment)}"
    )


def _milliseconds(name: str, duration: object) -> int:
    try:
        return milliseconds(duration)
    except ValueError as wrong:
        raise InvalidInput(f"step {name!r}: {wrong}") from None
