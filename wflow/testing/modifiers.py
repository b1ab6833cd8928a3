"""What a test changes about how instances run: results that are given, failures, waits that do not last."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import msgspec

from wflow.engine import names, values
from wflow.engine.decisions import Settle
from wflow.engine.outcome import Err
from wflow.engine.steps.do import Do
from wflow.engine.steps.poll import Poll
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import InvalidInput, WorkflowTimeoutError
from wflow.runtime.attempt import Body, here, is_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.engine.decisions import Decision
    from wflow.engine.past import Past
    from wflow.engine.steps import Step

StepRef: TypeAlias = str | Mapping[str, object]
"""A step: its name, which means its first visit, or ``{"name": ..., "index": 2}`` for the second."""
_EVERY: Final = ""


def key_of(step: StepRef) -> str:
    """Give the key of a step as its instance shows it, `name-1`. Raises InvalidInput."""
    if isinstance(step, str):
        return f"{names.step_name(step)}-1"
    given: object = step
    if not isinstance(given, Mapping) or given.keys() - {"name", "index"} or "name" not in given:
        raise InvalidInput(f'a step is its name, or {{"name": ..., "index": 1}}, not {names.shown(step)}')
    index = given.get("index", 1)
    if isinstance(index, bool) or not isinstance(index, int) or index < 1:
        raise InvalidInput(f"the index of a step counts its visits from 1; got {names.shown(index)}")
    return f"{names.step_name(given['name'])}-{index}"


class Modifiers:
    """How one instance runs. Each method gives the object back, so that calls can follow each other.

    They may be awaited too, for who is used to Cloudflare's.
    """

    def __init__(self) -> None:
        """Modify nothing."""
        self.events: list[tuple[str, bytes]] = []
        """Those that are there when the instance begins."""
        self._no_sleeps: set[str] = set()
        self._no_delays: set[str] = set()
        self._no_events: set[str] = set()
        self._results: dict[str, object] = {}
        self._errors: dict[str, tuple[BaseException | None, int | None]] = {}

    def disable_sleeps(self, steps: Sequence[StepRef] | None = None) -> Self:
        """Have all sleeps end at once, or those of ``steps``: the clock does not move for them."""
        self._no_sleeps |= {_EVERY} if steps is None else {key_of(step) for step in steps}
        return self

    def disable_retry_delays(self, steps: Sequence[StepRef] | None = None) -> Self:
        """Try all steps again at once, or those of ``steps``, when they have failed."""
        self._no_delays |= {_EVERY} if steps is None else {key_of(step) for step in steps}
        return self

    def mock_step_result(self, step: StepRef, value: object) -> Self:
        """Give ``value`` instead of calling the step's function.

        Raises InvalidInput when the step has a result already, UnserializableError for what cannot be kept.
        """
        key = key_of(step)
        if key in self._results:
            raise _twice(step)
        values.encode(value)
        self._results[key] = value
        return self

    def mock_step_error(self, step: StepRef, error: BaseException, times: int | None = None) -> Self:
        """Raise ``error`` instead of calling the step's function: always, or in the first ``times`` attempts.

        Raises InvalidInput when the step fails by the test's wish already.
        """
        if not isinstance(error, Exception):
            raise InvalidInput(f"a step fails with an exception, not with {names.shown(error)}")
        self._fail(step, error, times)
        return self

    def force_step_timeout(self, step: StepRef, times: int | None = None) -> Self:
        """Have the step time out without calling its function: always, or in the first ``times`` attempts.

        Raises InvalidInput when the step fails by the test's wish already.
        """
        self._fail(step, None, times)
        return self

    def mock_event(self, type: str | Mapping[str, object], payload: object = None) -> Self:
        """Have an event there when the instance begins; takes the type and the payload, or one mapping."""
        if isinstance(type, Mapping):
            return self.mock_event(str(type.get("type")), type.get("payload", payload))
        self.events.append((names.event_type(type), values.encode(payload)))
        return self

    def force_event_timeout(self, step: StepRef) -> Self:
        """Have the wait for an event time out at once."""
        self._no_events.add(key_of(step))
        return self

    def __await__(self) -> Generator[None, None, Self]:
        """Give the object back."""
        yield from ()
        return self

    # -- for the kit -----------------------------------------------------------------------------------------

    def applied(self, key: str, step: Step, body: Body | None) -> tuple[Step, Body | None]:
        """Give the step that is to be done instead, and what it is to call."""
        match step:
            case Sleep() if _meant(self._no_sleeps, key):
                return Sleep(step.name), body
            case WaitForEvent() if key in self._no_events:
                return _Late(step.name, f"{step.awaits} (never)", step.timeout_ms), body
            case Do() | Poll():
                if _meant(self._no_delays, key):
                    step = _at_once(step)
                if body is not None and (key in self._results or key in self._errors):
                    body = self._called(key, step.retry.timeout_ms, body)
        return step, body

    def joined(self, others: Sequence[Modifiers]) -> Modifiers:
        """Give these and ``others`` as one; these count where both say something."""
        found = Modifiers()
        for one in (*others, self):
            found.events += one.events
            found._no_sleeps |= one._no_sleeps  # noqa: SLF001 - its own kind
            found._no_delays |= one._no_delays  # noqa: SLF001
            found._no_events |= one._no_events  # noqa: SLF001
            found._results |= one._results  # noqa: SLF001
            found._errors |= one._errors  # noqa: SLF001
        return found

    def _fail(self, step: StepRef, error: Exception | None, times: int | None) -> None:
        key = key_of(step)
        if key in self._errors:
            raise _twice(step)
        if times is not None and times < 1:
            raise InvalidInput(f"`times` counts attempts from 1; got {names.shown(times)}")
        self._errors[key] = error, times

    def _called(self, key: str, timeout_ms: int, body: Body) -> Body:
        """Give a body that fails as often as it is to, then gives the result, or calls the function."""
        real = body.function

        def instead() -> object:
            if key in self._errors:
                error, times = self._errors[key]
                place = here.get()
                if times is None or (place is not None and place.attempt <= times):
                    raise error or WorkflowTimeoutError(f"Execution timed out after {timeout_ms}ms")
            return self._results.get(key, _REAL)

        if key in self._results or is_async(real):

            async def soon(*arguments: object, **named: object) -> object:
                given = instead()
                if given is _REAL:
                    given = real(*arguments, **named)
                    return await given if inspect.isawaitable(given) else given
                return given

            function: Callable[..., object] = soon
        else:

            def plain(*arguments: object, **named: object) -> object:
                instead()
                return real(*arguments, **named)

            function = plain
        return msgspec.structs.replace(body, function=function)


_REAL: Final[Any] = object()


class _Late(WaitForEvent, frozen=True, gc=False):
    """A wait that is over before it begins."""

    def decide(self, past: Past, now: int) -> Decision:
        del past, now
        return Settle(Err(self._timed_out()))


def _at_once(step: Do | Poll) -> Do | Poll:
    retry = dataclasses.replace(step.retry, delay_ms=0)
    return msgspec.structs.replace(step, retry=retry, dynamic=False)


def _meant(steps: set[str], key: str) -> bool:
    return _EVERY in steps or key in steps


def _twice(step: StepRef) -> InvalidInput:
    name = step if isinstance(step, str) else step["name"]
    return InvalidInput(f"Trying to mock step {str(name)!r} multiple times!")
