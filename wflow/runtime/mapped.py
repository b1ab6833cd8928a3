"""ctx.map: a function over many items, each a step, so many at once, until it is clear how it ends.

Everything is decided by the outcomes of the steps in journal order, so a replay decides the same.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from wflow.engine import names
from wflow.errors import InvalidInput, MapFailed, StepFailed, TooMany
from wflow.runtime.failures import message_of

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

CONCURRENCY: Final = 100
"""Items at once, unless the call says another number."""
ITEMS: Final = names.STEPS_MAX
"""Items of one map; each is a step, so the limit of steps comes first."""

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_SHAPE: Final = "ctx.map(function, items, name=..., concurrency=..., tolerated_failures=...)"

Begin = Callable[[str, Callable[..., object], object], Coroutine[Any, Any, Any]]
"""Begins the step ``name`` that calls a function with an item; refuses at once what cannot be."""
Upcoming = Callable[[str], str]
"""Gives the key that the next step of a name will have."""


class Mapped(list[T]):
    """The values of the items that succeeded, in item order; a list.

    ``succeeded`` and ``failed`` have the indices of the items that did, in item order, ``errors`` the error
    by index. An item in neither was let go before it had an outcome.
    """

    succeeded: list[int]
    failed: list[int]
    errors: dict[int, Exception]

    def __init__(self, values: Mapping[int, T], errors: Mapping[int, Exception]) -> None:
        """Take values and errors by the indices of their items, in any order."""
        self.succeeded = sorted(values)
        self.failed = sorted(errors)
        self.errors = {index: errors[index] for index in self.failed}
        super().__init__(values[index] for index in self.succeeded)

    def __reduce__(self) -> tuple[type[Mapped[T]], tuple[dict[int, T], dict[int, Exception]]]:
        """Copy and pickle as what it is made of."""
        return type(self), (dict(zip(self.succeeded, self, strict=True)), self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """When a map of ``total`` items is over: at so many successes, or beyond so many failures.

    Without ``wanted`` it runs to the end; without ``tolerated`` failures alone do not stop it.
    """

    total: int
    wanted: int | None
    tolerated: Fraction | None
    said: str = ""

    def enough(self, succeeded: int) -> bool:
        """Tell whether so many successes end it well."""
        return self.wanted is not None and succeeded >= self.wanted

    def hopeless(self, failed: int) -> bool:
        """Tell whether it cannot end well after so many failures."""
        if self.wanted is not None and self.total - failed < self.wanted:
            return True
        return self.tolerated is not None and failed > self.tolerated

    def told(self, failed: int) -> str:
        """Say why it is hopeless."""
        counted = f"{failed} of {self.total} items failed"
        if self.tolerated is not None and failed > self.tolerated:
            return f"{counted}, and {self.said} are tolerated"
        return f"{counted}, and {self.wanted} must succeed"


def mapped(
    function: Callable[..., object],
    items: Iterable[object],
    begin: Begin,
    upcoming: Upcoming,
    *,
    name: str | None = None,
    concurrency: int | None = None,
    min_successful: int | None = None,
    tolerated_failures: int | str | None = None,
) -> Coroutine[Any, Any, Mapped[Any]]:
    """Give the coroutine that runs the map; see `Context.map`.

    Raises, before anything starts, InvalidInput for what cannot be, TooMany for more items than a workflow
    may ever have steps, and whatever ``begin`` raises.
    """
    if not callable(function):
        raise InvalidInput(f"ctx.map takes a function first, not {names.shown(function)}", hint=_SHAPE)
    name = names.step_name(_name_of(function) if name is None else name)
    given = _listed(name, items)
    limit = _whole(name, "concurrency", CONCURRENCY if concurrency is None else concurrency)
    completion = _completion(name, len(given), min_successful, tolerated_failures)
    begin(name, function, None).close()  # what it refuses, it refuses now
    started = functools.partial(begin, name, function)
    return _Run(given, started, lambda: upcoming(name), completion).to_the_end(limit)


class _Run(Generic[T]):
    """One map under way."""

    def __init__(
        self,
        items: list[object],
        begin: Callable[[object], Coroutine[Any, Any, T]],
        upcoming: Callable[[], str],
        completion: Completion,
    ) -> None:
        self._items = items
        self._begin = begin
        self._upcoming = upcoming
        self._completion = completion
        self._values: dict[int, T] = {}
        self._errors: dict[int, Exception] = {}
        self._first: tuple[str, Exception] | None = None
        self._enough = self._hopeless = False

    async def to_the_end(self, concurrency: int) -> Mapped[T]:
        """Run the items; raise MapFailed when it is hopeless, once those that run have ended."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        left = self._left()
        workers = [loop.create_task(self._work(left)) for _ in self._items[:concurrency]]
        self._working = len(workers)
        try:
            if workers:
                await self._over
        finally:
            # Nothing of it goes on when it is over: not after enough successes, and not after a cancellation.
            going = [worker for worker in workers if not worker.done()]
            for worker in going:
                worker.cancel()
            if going:
                await asyncio.wait(going)
        if self._hopeless and self._first is not None:
            what, error = self._first
            raise MapFailed(f"{what}; {self._completion.told(len(self._errors))}", self._errors) from error
        return Mapped(self._values, self._errors)

    async def _work(self, left: Iterator[tuple[int, object]]) -> None:
        """Run one item after the other; the last worker to leave says that it is over."""
        try:
            for index, item in left:
                key = self._upcoming()
                try:
                    self._values[index] = await self._begin(item)
                except Exception as error:  # noqa: BLE001 - it is the item's, and counts
                    self._fail(index, key, error)
                else:
                    self._enough = not self._hopeless and self._completion.enough(len(self._values))
        finally:
            self._working -= 1
            if not self._over.done() and (self._enough or not self._working):
                self._over.set_result(None)

    def _left(self) -> Iterator[tuple[int, object]]:
        """Give the items to begin, each once, until it is decided how the map ends."""
        for index, item in enumerate(self._items):
            if self._enough or self._hopeless:
                return
            yield index, item

    def _fail(self, index: int, key: str, error: Exception) -> None:
        self._errors[index] = error
        if self._first is None:
            kind = error.original if isinstance(error, StepFailed) else type(error).__qualname__
            self._first = f"item {index} (step {key!r}) failed with {kind}: {message_of(error)}", error
        self._hopeless = self._completion.hopeless(len(self._errors))


def _name_of(function: Callable[..., object]) -> object:
    while isinstance(function, functools.partial):
        function = function.func
    found = getattr(function, "__name__", None)
    if found is None:
        raise InvalidInput(f"ctx.map: {names.shown(function)} has no name; give one: name=...", hint=_SHAPE)
    return found


def _listed(name: str, items: Iterable[object]) -> list[object]:
    if (wrong := _unfit(items)) is not None:
        problem, hint = wrong
        raise InvalidInput(f"ctx.map {name!r}: {problem}", hint=hint)
    found = list(islice(items, ITEMS + 1))
    if len(found) > ITEMS:
        raise TooMany(f"ctx.map {name!r}: more than {ITEMS:,} items; each is a step")
    return found


def _unfit(items: object) -> tuple[str, str] | None:
    """Say what is wrong with the items, and what would not be."""
    match items:
        case str() | bytes() | bytearray():
            return "a text is no list of items", "give a list: [text], or list(text) for its letters"
        case set() | frozenset():
            return "a set has another order in each process", "give it one: sorted(items)"
        case Mapping():
            return "a dict can mean its keys or its values", "give items.items(), or list(items)"
        case AsyncIterable():
            return "an async iterable does I/O, which belongs in a step", "make the list in a ctx.do"
        case Iterable():
            return None
    return f"{names.shown(items)} is no list of items", _SHAPE


def _completion(name: str, total: int, min_successful: object, tolerated_failures: object) -> Completion:
    wanted = None
    if min_successful is not None:
        wanted = _whole(name, "min_successful", min_successful)
        if wanted > total:
            raise InvalidInput(f"ctx.map {name!r}: min_successful is {wanted}, and there are {total} items")
    if tolerated_failures is None:
        tolerated = None if wanted is not None else Fraction(0)
        return Completion(total=total, wanted=wanted, tolerated=tolerated, said="0")
    tolerated = _tolerated(tolerated_failures, total)
    if tolerated is None:
        rule = 'a whole number from 0 on, or a share from "0%" to "100%"'
        given = names.shown(tolerated_failures)
        raise InvalidInput(f"ctx.map {name!r}: tolerated_failures must be {rule}, not {given}")
    return Completion(total=total, wanted=wanted, tolerated=tolerated, said=str(tolerated_failures))


def _tolerated(given: object, total: int) -> Fraction | None:
    match given:
        case bool():
            return None
        case int() if given >= 0:
            return Fraction(given)
        case str() if (found := _PERCENT.fullmatch(given)) and Fraction(found[1]) <= 100:
            return Fraction(found[1]) * total / 100
    return None


def _whole(name: str, what: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InvalidInput(
            f"ctx.map {name!r}: {what} must be a whole number from 1 on, not {names.shown(given)}"
        )
    return given
