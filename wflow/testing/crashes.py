"""A test that runs once for each durable write, with the death of the process right there.

The first run is without a death, and says how the test ends. In every other one the process that runs the
instances dies over a durable write, before or after it became durable: what it had in memory is gone, nothing
is given back or said, and a new one goes on from the disk. The test itself is a client in another process,
and a patient one: what it asks for is asked again, unless it was durable already. Each run must end as the
first did.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from wflow.errors import InvalidInput
from wflow.testing.ending import Ending, difference, ending
from wflow.testing.fate import Death, Fate

if TYPE_CHECKING:
    from wflow.testing.kit import Kit

Body = Callable[[], Coroutine[Any, Any, object]]
Test = TypeVar("Test", bound=Callable[..., Coroutine[Any, Any, object]])

RUNS: Final = 300
"""Runs of one test at the most, unless it says otherwise; one that has more writes is sampled evenly."""
SCHEDULES: Final = 10
"""Of these, runs with several deaths."""
DEATHS: Final = 3
"""Deaths in one run, at the most."""
SHRINKS: Final = 60
"""Further runs to find a smaller schedule for one that fails."""
PLAN: Final = "wflow_crashes"
"""The attribute of a test's function that has its plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often a test is run, and with which deaths; ``points`` are those of `crash_at`."""

    points: tuple[Death, ...] = ()
    runs: int = RUNS
    schedules: int = SCHEDULES
    deaths: int = DEATHS
    seed: int = 0
    effects: Any = None
    reset: Callable[[], object] | None = None


class CrashFailed(AssertionError):
    """A test that ends otherwise when the process dies; the message has the schedule, as a test to keep."""


@overload
def crash_everywhere(test: Test, /) -> Test: ...


@overload
def crash_everywhere(
    *,
    runs: int = RUNS,
    schedules: int = SCHEDULES,
    deaths: int = DEATHS,
    seed: int = 0,
    effects: Any = None,
    reset: Callable[[], object] | None = None,
) -> Callable[[Test], Test]: ...


def crash_everywhere(test: Any = None, /, **options: Any) -> Any:
    """Run an async test once for each durable write, with the process's death before and after it.

    After that come runs with 2 to ``deaths`` deaths, chosen by ``seed``: ``schedules`` of them. No more than
    ``runs`` in all. Each must end as the run without a death: what the test returns, and what became of each
    instance. ``effects`` is a list, emptied before each run, in which steps note what they have done: it may
    have an entry more often than without a death, once for each death, but none that is new, and must lack
    none; so for `wflow.effects`. ``reset`` is called before each run.
    """
    if test is None:
        return lambda test: _planned(test, Plan(**options))
    return _planned(test, Plan())


def crash_at(
    *points: Death, effects: Any = None, reset: Callable[[], object] | None = None
) -> Callable[[Test], Test]:
    """Run an async test with the process's death over these writes, ``(3, "after")`` say, and without it."""
    for point in points:
        match point:
            case (int() as number, "before" | "after") if number >= 1:
                pass
            case _:
                raise InvalidInput(f'a death is (3, "before") or (3, "after"), not {point!r}')
    return lambda test: _planned(test, Plan(points=points, effects=effects, reset=reset))


def plan_of(test: object) -> Plan | None:
    """Give the plan of a test's function, None for one that is to run as usual."""
    return cast("Plan | None", getattr(test, PLAN, None))


def _planned(test: Test, plan: Plan) -> Test:
    setattr(test, PLAN, plan)
    return test


class Crashes:
    """Runs a test by its plan; ``runs`` counts how often it did."""

    def __init__(self, kit: Kit, plan: Plan, body: Body, name: str = "test_...") -> None:
        """Run ``body`` on ``kit``; ``name`` is what a test to keep is called."""
        self.runs = 0
        self._name = name
        self._kit = kit
        self._plan = plan
        self._body = body
        for resets in (plan.reset, getattr(plan.effects, "clear", None)):
            if resets is not None:
                kit.each_run(resets)

    def all(self) -> str:
        """Do all runs; give a sentence on what was done. Raises what the test raises, and CrashFailed."""
        __tracebackhide__ = True
        kit = self._kit
        kit.run(kit.end())
        first, fate = self._run(())
        if first.error is not None:
            raise first.error
        writes = len(fate.names)
        if self._plan.points:
            self._check(first, self._plan.points, shrinks=False)
            return f"1 schedule of {len(self._plan.points)} deaths"
        whole = self._singles(first, writes)
        for schedule in self._schedules(writes):
            if self.runs < self._plan.runs:
                self._check(first, schedule)
        sampled = "" if whole else f", a sample of the {writes} durable writes"
        return f"{self.runs} runs{sampled}"

    def _singles(self, first: Ending, writes: int) -> bool:
        """Die once in each run; say whether each write had its turn."""
        __tracebackhide__ = True
        room = max(1, (self._plan.runs - self.runs - self._plan.schedules) // 2)
        step = max(1, -(-writes // room))
        for number in itertools.count(1, step):
            # A run with a death may have more writes than the one without.
            if number > writes + step or self.runs >= self._plan.runs:
                break
            for when in ("before", "after"):
                self._check(first, ((number, when),))
        return step == 1

    def _schedules(self, writes: int) -> Iterator[tuple[Death, ...]]:
        chance = random.Random(self._plan.seed)  # noqa: S311 - it is to be the same each time
        for _ in range(self._plan.schedules if self._plan.deaths > 1 and writes else 0):
            numbers = chance.sample(
                range(1, 2 * writes + 2), min(chance.randint(2, self._plan.deaths), writes + 1)
            )
            yield tuple((number, chance.choice(("before", "after"))) for number in sorted(numbers))

    def _check(self, first: Ending, deaths: tuple[Death, ...], *, shrinks: bool = True) -> None:
        """Run with these deaths, and raise CrashFailed for the smallest schedule that ends otherwise."""
        __tracebackhide__ = True
        wrong, fate = self._differs(first, deaths)
        if wrong is None:
            return
        again, _ = self._run(())
        if (unlike := difference(first, again, deaths=0)) is not None:
            raise CrashFailed(_unlike(unlike)) from again.error
        deaths = tuple(fate.met)
        tries = iter(_smaller(deaths))
        for _ in range(SHRINKS if shrinks else 0):
            smaller = next(tries, None)
            if smaller is None:
                break
            found, other = self._differs(first, smaller)
            if found is not None:
                wrong, fate, deaths = found, other, tuple(other.met)
                tries = iter(_smaller(deaths))
        raise CrashFailed(_told(wrong, deaths, fate, self._name)) from wrong.error

    def _differs(self, first: Ending, deaths: tuple[Death, ...]) -> tuple[_Wrong | None, Fate]:
        found, fate = self._run(deaths)
        if not fate.met:
            return None, fate
        text = difference(first, found, deaths=len(fate.met))
        return (None if text is None else _Wrong(text, found.error)), fate

    def _run(self, deaths: tuple[Death, ...]) -> tuple[Ending, Fate]:
        """Run the test once, from nothing."""
        kit, fate = self._kit, Fate(deaths)
        self.runs += 1
        kit.run(kit.begin(fate))
        try:
            return kit.run(ending(kit, self._body, self._plan.effects)), fate
        finally:
            kit.run(kit.end())


@dataclass(frozen=True, slots=True)
class _Wrong:
    text: str
    error: BaseException | None


def _smaller(deaths: tuple[Death, ...]) -> Iterable[tuple[Death, ...]]:
    """Give schedules that say less: with a death less, then with one that comes earlier."""
    if len(deaths) > 1:
        for at in range(len(deaths)):
            yield deaths[:at] + deaths[at + 1 :]
    for at, (number, _) in enumerate(deaths):
        least = deaths[at - 1][0] if at else 0
        for earlier in range(least + 1, number):
            for when in ("before", "after"):
                yield (*deaths[:at], (earlier, when), *deaths[at + 1 :])


def _unlike(text: str) -> str:
    return (
        f"the test ends otherwise when it is run again, without any death:\n{text}\n\n"
        "something outlives a run, or comes by chance; `reset=` puts things back before each run, and "
        "`wflow.effects` is empty then"
    )


def _told(wrong: _Wrong, deaths: tuple[Death, ...], fate: Fate, name: str) -> str:
    where = ", then ".join(
        f"{when} durable write {number} ({fate.names[number - 1]})" for number, when in deaths
    )
    points = ", ".join(f'({number}, "{when}")' for number, when in deaths)
    return (
        f"the test ends otherwise when the process dies {where}:\n{wrong.text}\n\n"
        f"keep it as a test:\n\n    @crash_at({points})\n    async def {name}(wflow): ..."
    )
