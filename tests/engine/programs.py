"""Programs to play: what workflow code could do, as values, and how it goes on when it hears of something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wflow.engine.outcome import Err, Ok
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.engine.outcome import Outcome

    Done = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Call:
    """A `do` whose first attempts fail, each after ``takes_ms``.

    ``undo`` is how often its rollback fails before it succeeds, if there is one; the first ``kills`` attempts
    end the process; ``once`` makes it at most once.
    """

    name: str
    failures: int = 0
    limit: int = 0
    takes_ms: int = 1
    fatal: bool = False
    undo: int | None = None
    kills: int = 0
    once: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """A line in the workflow's log."""

    line: str


@dataclass(frozen=True, slots=True)
class Fail:
    """An error that nobody catches."""


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other."""

    items: tuple[Program, ...]


@dataclass(frozen=True, slots=True)
class All:
    """All at once; over when the last one is."""

    items: tuple[Program, ...]


@dataclass(frozen=True, slots=True)
class Race:
    """All at once; over when the first one is, which ends the others."""

    items: tuple[Program, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """The whole of a code that catches its cancellation; then it cleans up, and ends or goes on."""

    body: Program
    cleanup: Program
    ends: bool = True


Program = Call | Sleep | WaitForEvent | Say | Fail | Seq | All | Race
Code = Program | Guard


class Host(Protocol):
    """What plays a program."""

    def step(self, program: Call | Sleep | WaitForEvent, done: Done) -> str: ...

    def close(self, key: str) -> None: ...

    def log(self, line: str) -> None: ...

    def fail(self) -> None: ...


class Scope:
    """The steps of a branch, which end with it."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.inner: list[Scope] = []

    def close(self, host: Host) -> None:
        for key in self.keys:
            host.close(key)
        for scope in self.inner:
            scope.close(host)


def start(program: Program, scope: Scope, host: Host, done: Done) -> None:
    """Run a program up to its first waits; ``done`` gets its result."""
    match program:
        case Say(line):
            host.log(line)
            done(None)
        case Fail():
            host.fail()
        case Seq(items):
            _next(items, scope, host, done)
        case All(items):
            _all(items, scope, host, done)
        case Race(items):
            _race(items, scope, host, done)
        case _:
            scope.keys.append(host.step(program, done))


def plain(outcome: Outcome) -> object:
    match outcome:
        case Ok(value):
            return ("value", value)
        case Err(failure):
            return ("error", failure.name)


def _next(items: tuple[Program, ...], scope: Scope, host: Host, done: Done) -> None:
    def go_on(index: int, results: tuple[object, ...]) -> None:
        if index == len(items):
            done(results)
        else:
            start(items[index], scope, host, lambda result: go_on(index + 1, (*results, result)))

    go_on(0, ())


def _all(items: tuple[Program, ...], scope: Scope, host: Host, done: Done) -> None:
    results: dict[int, object] = {}

    def arrive(index: int, result: object) -> None:
        results[index] = result
        if len(results) == len(items):
            done(tuple(results[each] for each in range(len(items))))

    for index, item in enumerate(items):
        start(item, scope, host, lambda result, index=index: arrive(index, result))  # type: ignore[misc]


def _race(items: tuple[Program, ...], scope: Scope, host: Host, done: Done) -> None:
    branches = [Scope() for _ in items]
    scope.inner += branches
    over: list[int] = []

    def arrive(index: int, result: object) -> None:
        if over:
            return
        over.append(index)
        for branch in branches:
            branch.close(host)
        done((index, result))

    for index, (item, branch) in enumerate(zip(items, branches, strict=True)):
        if not over:
            start(item, branch, host, lambda result, index=index: arrive(index, result))  # type: ignore[misc]
