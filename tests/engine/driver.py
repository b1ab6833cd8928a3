"""A pure runtime: it plays programs over a virtual clock and a journal in memory, and crashes where told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wflow.engine import facts
from wflow.engine.decisions import Decision, Park, Run
from wflow.engine.facts import Logged, Moved, Received
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Failure, Ok
from wflow.engine.retry import Retry
from wflow.engine.steps.do import Do
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.engine.facts import Fact
    from wflow.engine.machine import Seen
    from wflow.engine.outcome import Outcome
    from wflow.engine.steps import Step


ROUNDS = 10_000

# -- programs ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """A `do` whose first attempts fail, each after ``takes_ms``."""

    name: str
    failures: int = 0
    limit: int = 0
    takes_ms: int = 1
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """A line in the workflow's log."""

    line: str


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


Program = Call | Sleep | WaitForEvent | Say | Seq | All | Race


# -- the world --------------------------------------------------------------------------------------------


class Crash(Exception):
    """The process died."""


@dataclass(slots=True)
class World:
    """What outlives a process: the journal, the clock, the events on their way; and what ran."""

    events: tuple[Received, ...] = ()
    crash_at: int | None = None
    now: int = 0
    journal: list[bytes] = field(default_factory=list)
    appends: int = 0
    ran: list[str] = field(default_factory=list)
    decisions: list[tuple[str, Decision]] = field(default_factory=list)

    def facts(self) -> list[Fact]:
        return [facts.decode(raw) for raw in self.journal]

    def append(self, new: list[Fact]) -> None:
        self.appends += 1
        if self.crash_at == self.appends:
            raise Crash
        self.journal += [facts.encode(fact) for fact in new]


def play_to_the_end(program: Program, world: World) -> object:
    """Start processes until one comes to the end; give what the code returned."""
    while True:
        try:
            return Process(program, world).run()
        except Crash:
            world.now += 1


# -- one process ------------------------------------------------------------------------------------------


class Process:
    """A machine, the code on top of it, and what goes on in memory."""

    def __init__(self, program: Program, world: World) -> None:
        self.machine = Machine(world.facts(), seq=len(world.journal))
        self.result: object = None
        self._world = world
        self._program = program
        self._futures: dict[str, Callable[[object], None]] = {}
        self._parks: dict[str, Park] = {}
        self._attempts: dict[str, tuple[int, int]] = {}
        self._calls: dict[str, Call] = {}
        self._finished = False
        self._received = {fact.event for fact in world.facts() if isinstance(fact, Received)}

    def run(self) -> object:
        """Play until the code returns."""
        self.replay()
        for _ in range(ROUNDS):
            if self._finished:
                break
            self._pass_time()
            self._settle_down()
        else:
            raise AssertionError("the program never comes to its end")
        if not self.machine.ended:
            self.machine.move(Moved("complete", self._world.now))
            self._commit()
        return self.result

    def replay(self) -> None:
        """Bring the code to where the journal ends, and decide what is open there."""
        start(self._program, Scope(), self, self._finish)
        self._settle_down()

    def parked(self) -> list[str]:
        """Name the steps that wait."""
        return list(self._parks)

    # -- what the code calls

    def step(self, program: Call | Sleep | WaitForEvent, done: Callable[[object], None]) -> str:
        step: Step
        if isinstance(program, Call):
            step = Do(program.name, Retry(limit=program.limit, delay_ms=10))
        else:
            step = program
        key = self.machine.open(step, self._world.now)
        self._futures[key] = done
        if isinstance(program, Call):
            self._calls[key] = program
        return key

    def log(self, line: str) -> None:
        self.machine.log(Logged("info", line, self._world.now))

    def close(self, key: str) -> None:
        if self._futures.pop(key, None) is not None:
            self.machine.close(key)
        for kept in (self._parks, self._attempts):
            kept.pop(key, None)

    # -- the cycle

    def _settle_down(self) -> None:
        """Show outcomes and decide until nothing happens any more without the world."""
        while True:
            while not self._finished and (seen := self.machine.next(len(self._world.journal))) is not None:
                self._show(seen)
            if self._finished:
                return
            for key in self.machine.undecided():
                self._decide(key)
            if not self._commit() and not self.machine.awaiting:
                return

    def _show(self, seen: Seen) -> None:
        self._parks.pop(seen.key, None)
        done = self._futures.pop(seen.key)
        if seen.event is not None:
            done(("event", seen.event.event))
        else:
            done(plain(seen.outcome))

    def _decide(self, key: str) -> None:
        decision = self.machine.decide(key, self._world.now)
        self._world.decisions.append((key, decision))
        self._parks.pop(key, None)
        match decision:
            case Run(attempt):
                self.machine.begin(key, attempt, self._world.now)
                self._world.ran.append(key)
                self._attempts[key] = (self._world.now + self._calls[key].takes_ms, attempt)
            case Park():
                self._parks[key] = decision

    def _pass_time(self) -> None:
        """Go on to the next thing that happens, and let all happen that does so then."""
        world = self._world
        coming = [event for event in world.events if event.event not in self._received]
        if not self._attempts:
            self.machine.announce(self._parks)
        world.now = max(
            world.now,
            min(
                [end for end, _ in self._attempts.values()]
                + [park.until for park in self._parks.values()]
                + [event.sent_at for event in coming]
            ),
        )
        for event in coming:
            if event.sent_at <= world.now:
                self._received.add(event.event)
                self.machine.receive(event)
        for key, (end, attempt) in list(self._attempts.items()):
            if end <= world.now:
                del self._attempts[key]
                self.machine.report(key, self._outcome(key, attempt), world.now)
                self._decide(key)
            elif end - world.now > 5:
                self.machine.announce([key])
        for key in list(self._parks):
            self._decide(key)
        self._commit()

    def _outcome(self, key: str, attempt: int) -> Outcome:
        call = self._calls[key]
        if attempt > call.failures:
            return Ok(call.name.encode())
        return Err(Failure("Boom", key, retryable=not call.fatal))

    def _commit(self) -> bool:
        new = self.machine.take()
        if new:
            self._world.append(new)
        return bool(new)

    def _finish(self, result: object) -> None:
        self.result = result
        self._finished = True


# -- the code ---------------------------------------------------------------------------------------------


class Scope:
    """The steps of a branch, which end with it."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.inner: list[Scope] = []
        self.closed = False

    def close(self, process: Process) -> None:
        self.closed = True
        for key in self.keys:
            process.close(key)
        for scope in self.inner:
            scope.close(process)


def start(program: Program, scope: Scope, process: Process, done: Callable[[object], None]) -> None:
    """Run a program up to its first waits; ``done`` gets its result."""
    match program:
        case Say(line):
            process.log(line)
            done(None)
        case Seq(items):
            _next(items, scope, process, done)
        case All(items):
            _all(items, scope, process, done)
        case Race(items):
            _race(items, scope, process, done)
        case _:
            scope.keys.append(process.step(program, done))


def plain(outcome: Outcome) -> object:
    match outcome:
        case Ok(value):
            return ("value", value)
        case Err(failure):
            return ("error", failure.name)


def _next(
    items: tuple[Program, ...], scope: Scope, process: Process, done: Callable[[tuple[object, ...]], None]
) -> None:
    if not items:
        done(())
        return
    first, *rest = items
    start(
        first,
        scope,
        process,
        lambda result: _next(tuple(rest), scope, process, lambda results: done((result, *results))),
    )


def _all(items: tuple[Program, ...], scope: Scope, process: Process, done: Callable[[object], None]) -> None:
    results: dict[int, object] = {}

    def arrive(index: int, result: object) -> None:
        results[index] = result
        if len(results) == len(items):
            done(tuple(results[each] for each in range(len(items))))

    for index, item in enumerate(items):
        start(item, scope, process, lambda result, index=index: arrive(index, result))  # type: ignore[misc]


def _race(items: tuple[Program, ...], scope: Scope, process: Process, done: Callable[[object], None]) -> None:
    branches = [Scope() for _ in items]
    scope.inner += branches
    over: list[int] = []

    def arrive(index: int, result: object) -> None:
        if over:
            return
        over.append(index)
        for branch in branches:
            branch.close(process)
        done((index, result))

    for index, (item, branch) in enumerate(zip(items, branches, strict=True)):
        if not over:
            start(item, branch, process, lambda result, index=index: arrive(index, result))  # type: ignore[misc]
