"""What `run` gets as its last argument: the steps, and the workflow's log."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from wflow.engine import names, values
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import InvalidInput
from wflow.runtime import doing, event, moments, telling
from wflow.runtime import settings as reading
from wflow.runtime import site as sites
from wflow.runtime.calling import NOTHING, called
from wflow.runtime.chance import Chance
from wflow.runtime.decorated import Declaration, Decorated
from wflow.runtime.mapped import mapped
from wflow.runtime.polled import polled
from wflow.runtime.step_context import wants_context
from wflow.wire import wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Unpack
    from uuid import UUID

    from wflow.bindings.workflow import WorkflowBinding
    from wflow.runtime.code import Code
    from wflow.runtime.decorated import DecoratedStep
    from wflow.runtime.event import Event
    from wflow.runtime.mapped import Mapped
    from wflow.runtime.output import Output
    from wflow.runtime.settings import Options, Settings

T = TypeVar("T")
_NOTHING: Final[Any] = object()


class Context:
    """The steps of one instance. An outcome is on disk before the code sees it, and is never made twice."""

    def __init__(self, code: Code, output: Output) -> None:
        """Tie it to the code that uses it; ``output`` takes what is logged inside a step."""
        self._code = code
        self._output = output
        self._decorated: Decorated | None = None
        self._drawn: Chance | None = None

    @overload
    def do(
        self,
        name: str,
        function: Callable[..., object],
        *arguments: object,
        returns: type[T],
        **options: Unpack[Options],
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def do(
        self,
        name: str,
        function: Callable[..., Awaitable[T]],
        *arguments: object,
        returns: object = None,
        **options: Unpack[Options],
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def do(
        self,
        name: str,
        function: Callable[..., T],
        *arguments: object,
        returns: object = None,
        **options: Unpack[Options],
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def do(
        self,
        name: str | None = None,
        *,
        depends: Sequence[DecoratedStep[Any]] | None = None,
        concurrent: bool = False,
        returns: object = None,
        **options: Unpack[Options],
    ) -> Declaration: ...

    def do(
        self,
        name: str | None = None,
        function: Any = _NOTHING,
        *arguments: object,
        depends: Any = None,
        concurrent: bool = False,
        returns: object = None,
        **options: Unpack[Options],
    ) -> Any:
        """Call ``function(*arguments)`` durably and give what it returned.

        An async function runs on the process's event loop, a plain one in a thread; a parameter called `ctx`
        that no argument fills gets the step's context. How it is tried, shown and undone is said by name, see
        `wflow.runtime.settings.Options`. The last attempt's error is raised here, where it can be caught.

        What the function gives comes back as ``returns``, or as its return annotation says: a dataclass, an
        enum, a model, a tuple. Without either it is plain data. What does not fit fails the step at once with
        MismatchError; ``returns=object`` takes anything as it is.

        Without a function it is a decorator, see `wflow.runtime.decorated`: ``depends`` lists the steps whose
        results fill the function's parameters, instead of those that the parameters name; ``concurrent`` runs
        them side by side.

        Raises InvalidInput for a name, a policy or a function that cannot be.
        """
        if isinstance(function, (list, tuple)):  # Cloudflare's older SDK takes all of them by their place
            given: Any = dict(zip(("concurrent", "config"), arguments, strict=False))
            return self.do(name, depends=function, **given, **options)
        if function is _NOTHING:
            if callable(name):
                raise InvalidInput('write `@ctx.do()` or `@ctx.do("name")`, with the parentheses')
            self._decorated = self._decorated or Decorated(partial(doing.begin, self._code))
            return Declaration(
                self._decorated,
                name,
                depends=depends,
                concurrent=concurrent,
                settings=partial(_settings, options),
                returns=returns,
            )
        if not options and returns is None and depends is None and not concurrent:
            return doing.plainly(self._code, name, function, arguments)
        name = doing.checked(name, function)
        if depends is not None or concurrent:
            raise InvalidInput(f"step {name!r}: depends and concurrent are for a decorated step")
        read, site = reading.settings(name, options), sites.here()
        takes = wants_context(function, len(arguments))
        return doing.begin(
            self._code, name, function, arguments, read, takes_context=takes, returns=returns, site=site
        )

    def sleep(
        self, name: str, duration: float | str | timedelta, *, formerly: str | None = None
    ) -> Coroutine[Any, Any, None]:
        """Sleep durably: milliseconds, "10 seconds" or a timedelta; 365 days at most."""
        sleep = Sleep(names.step_name(name), moments.span(name, duration))
        return self._code.step(sleep, formerly=reading.former(name, formerly))

    def sleep_until(
        self, name: str, moment: datetime | float, *, formerly: str | None = None
    ) -> Coroutine[Any, Any, None]:
        """Sleep until a datetime (a naive one is local time) or milliseconds since 1970.

        A past one is over at once. Raises InvalidInput for one that is more than 365 days ahead.
        """
        until = moments.instant(names.step_name(name), moment)
        if until - self._code.loop.now * 1000 > names.WAIT_MS_MAX:
            raise InvalidInput(f"step {name!r}: {names.shown(moment)} is more than 365 days ahead")
        return self._code.step(Sleep(name, until=until), formerly=reading.former(name, formerly))

    @overload
    def wait_for_event(
        self,
        name: str,
        type: str,
        timeout: float | str | timedelta = ...,
        *,
        returns: type[T],
        formerly: str | None = None,
    ) -> Coroutine[Any, Any, Event[T]]: ...

    @overload
    def wait_for_event(
        self,
        name: str,
        type: str,
        timeout: float | str | timedelta = ...,
        *,
        returns: object = None,
        formerly: str | None = None,
    ) -> Coroutine[Any, Any, Event]: ...

    def wait_for_event(
        self,
        name: str,
        type: str,
        timeout: float | str | timedelta = names.EVENT_WAIT_MS,
        *,
        returns: object = None,
        formerly: str | None = None,
    ) -> Coroutine[Any, Any, Event[Any]]:
        """Wait for an event of a type and give it: ``payload``, ``timestamp``, ``type``.

        Events that came before the wait are kept, first in, first out. The payload comes as the type
        ``returns``. Raises WorkflowTimeoutError, which can be caught, after ``timeout`` (1 second to 365
        days), and MismatchError for a payload that does not fit.
        """
        names.step_name(name)
        timeout_ms = moments.pause(name, "timeout", timeout)
        wait = WaitForEvent(name, names.event_type(type), timeout_ms)
        got = self._code.step(wait, formerly=reading.former(name, formerly))
        return got if returns is None else event.awaited(got, returns, name)

    def map(
        self,
        function: Callable[..., object],
        items: Iterable[object],
        *,
        name: str | None = None,
        concurrency: int | None = None,
        min_successful: int | None = None,
        tolerated_failures: int | str | None = None,
        returns: object = None,
        **options: Unpack[Options],
    ) -> Coroutine[Any, Any, Mapped[Any]]:
        """Run ``function(item)`` as a step for each item, and give the values of those that succeed in order.

        The steps bear the function's name, or ``name``; ``concurrency`` of them go on at once (100). The list
        that comes back has ``succeeded`` and ``failed`` (indices) and ``errors`` as well.

        Raises MapFailed when more items fail than ``tolerated_failures``, a count or "25%" (none at all);
        then no further item is begun. With ``min_successful`` it is over when so many have succeeded, and
        failures alone do not end it unless that has become impossible. Raises InvalidInput for what cannot
        be.
        """
        site = sites.here()

        def begin(step: str, called: Callable[..., object], item: object) -> Coroutine[Any, Any, Any]:
            read = reading.settings(step, options)
            takes = wants_context(called, 1)
            return doing.begin(
                self._code, step, called, (item,), read, takes_context=takes, returns=returns, site=site
            )

        return mapped(
            function,
            items,
            begin,
            partial(self._code.machine.upcoming, formerly=options.get("formerly")),
            name=name,
            concurrency=concurrency,
            min_successful=min_successful,
            tolerated_failures=tolerated_failures,
        )

    def poll(
        self,
        name: str,
        check: Callable[..., object],
        *arguments: object,
        every: float | str | timedelta,
        timeout: float | str | timedelta = names.EVENT_WAIT_MS,
        retries: Mapping[str, object] | None = None,
        returns: object = None,
        formerly: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Call ``check(*arguments)`` now and then ``every`` so often until it gives something, and give that.

        None and False mean "not yet"; in between the instance is at rest. Errors are retried by policy.
        Raises WorkflowTimeoutError, which can be caught, after ``timeout`` ("24 hours"), and InvalidInput for
        less than a second or more than 100,000 checks.
        """
        return polled(
            self._code,
            name,
            check,
            arguments,
            every=every,
            timeout=timeout,
            retries=retries,
            returns=returns,
            formerly=formerly,
        )

    def call(
        self,
        workflow: WorkflowBinding,
        params: object = NOTHING,
        *,
        name: str | None = None,
        id: str | None = None,
        timeout: float | str | timedelta | None = None,
        cancel_with_parent: bool = True,
        retries: Mapping[str, object] | None = None,
        returns: object = None,
        formerly: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Start an instance of another workflow (``self.env.OTHER``), wait for its end, and give its output.

        Its id is made of this instance's and the step's, so that no crash starts it twice. It is asked to
        cancel when this instance ends first, unless ``cancel_with_parent`` is False. Its error is raised
        here, with a note that names it; WorkflowTimeoutError after ``timeout`` (365 days).
        """
        return called(
            self._code,
            self._code.machine.upcoming,
            workflow,
            params,
            name=name,
            id=id,
            timeout=timeout,
            cancel_with_parent=cancel_with_parent,
            retries=retries,
            returns=returns,
            formerly=formerly,
        )

    def patched(self, id: str) -> bool:
        """Tell whether this instance takes a way that is new: True unless it came past here without it.

        It is False while an instance replays what it did before the code had this call; the answer stays the
        same for the instance's life. Raises InvalidInput for an id that breaks the rule of step names, and
        NonRetryableError inside a step.
        """
        return self._code.patched(names.step_name(id))

    def now(self) -> datetime:
        """Tell the time, in UTC: that of the last outcome `run` has heard of; the same on every replay."""
        return self._chance.now()

    def uuid4(self) -> UUID:
        """Make a random UUID that is the same on every replay."""
        return self._chance.uuid4()

    def random(self) -> float:
        """Draw a random number from 0 up to, but not including, 1 that is the same on every replay."""
        return self._chance.random()

    def progress(self, done: float, total: float = 1, message: str = "") -> None:
        """Have the status show how far it is: ``done`` of ``total``, and a short text.

        Raises InvalidInput unless 0 <= done <= total.
        """
        self._show("progress", telling.progress(done, total, message))

    def set_state(self, state: object) -> None:
        """Have the status show a value of the workflow's own, 64 KiB at the most; the last one counts.

        Raises TooLarge, and UnserializableError for what cannot be kept.
        """
        self._show("state", state)

    def set_tags(self, tags: Iterable[str]) -> None:
        """Replace the instance's tags, by which lists are filtered: at most 10 of 64 characters each.

        Raises InvalidInput.
        """
        self._code.tell(tags=list(wanted.tags(tags if isinstance(tags, str) else [*tags])))

    def log(
        self, message: object, detail: Mapping[str, object] | None = None, *, level: str = "info"
    ) -> None:
        """Log a line, with values beside it; in workflow code once, however often it replays.

        Raises InvalidInput for an unknown level or a detail that is no mapping, UnserializableError for
        values that cannot be kept.
        """
        text, shown = telling.line(message, detail, level)
        if self._code.here():
            self._code.log(level, text, shown)
        else:
            self._output.say(level, text, shown)

    @property
    def _chance(self) -> Chance:
        if self._drawn is None:
            self._drawn = Chance(self._code.loop, self._code.seed)
        return self._drawn

    def _show(self, what: str, value: object) -> None:
        code = self._code
        shown = {**code.shown, what: value}
        raw = values.encode(shown, limit=names.SHOWN_BYTES)
        if not code.repeats:
            code.shown = shown
            code.tell(shown=raw)


def _settings(options: Options, name: str) -> Settings:
    return reading.settings(name, options)
