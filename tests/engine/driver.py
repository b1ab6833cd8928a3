"""A pure runtime: it plays programs over a virtual clock and a journal in memory, and crashes where told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests import residency
from tests.engine.programs import Call, Guard, Scope, plain, start
from wflow.engine import facts, status
from wflow.engine.decisions import Decision, Park, Run
from wflow.engine.facts import Logged, Moved, Received
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Failure, Ok
from wflow.engine.requests import CANCEL, is_request
from wflow.engine.retry import Retry
from wflow.engine.seen import Asked, Seen, Undo
from wflow.engine.steps.do import Do
from wflow.engine.steps.rollback import PREFIX, Rollback

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.programs import Code
    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Outcome
    from wflow.engine.seen import News
    from wflow.engine.steps import Step
    from wflow.engine.steps.sleep import Sleep
    from wflow.engine.steps.wait_for_event import WaitForEvent


ROUNDS = 10_000
UNDOING = Retry(limit=2, delay_ms=10)
"""How rollbacks are tried: those that fail more often than twice fail."""


class Crash(Exception):
    """The process ended."""


class Evicted(Exception):
    """The process let go of the instance: all that it said is in the journal."""


class Paused(Exception):
    """The instance is paused, and its process lets go of it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an instance ended; ``undone`` says whether its steps were, None when nobody tried."""

    status: str
    result: object = None
    undone: bool | None = None


@dataclass(slots=True)
class World:
    """What outlives a process: the journal, the clock, the events on their way; and what ran.

    The process ends at the append number ``crash_at``, which is the step's fault if the world ``blames``.
    The instance is paused from an instant to another one, for each of ``pauses``. In another ``mode`` than
    resident processes let go of it (see `tests.residency`).
    """

    events: tuple[Received, ...] = ()
    crash_at: int | None = None
    blames: bool = True
    pauses: tuple[tuple[int, int], ...] = ()
    mode: str = field(default_factory=residency.mode_now)
    now: int = 0
    journal: list[bytes] = field(default_factory=list)
    appends: int = 0
    died: bool = False
    ran: list[str] = field(default_factory=list)
    decisions: list[tuple[str, Decision]] = field(default_factory=list)

    def facts(self) -> list[Fact]:
        return [facts.decode(raw) for raw in self.journal]

    def append(self, new: list[Fact]) -> None:
        self.appends += 1
        if self.crash_at == self.appends:
            self.died = self.blames
            raise Crash
        self.journal += [facts.encode(fact) for fact in new]

    def go_on(self) -> None:
        """End the pause: when its time has come, or at the first request."""
        until, self.pauses = self.pauses[0][1], self.pauses[1:]
        known = {fact.event for fact in self.facts() if isinstance(fact, Received)}
        asked = [each.sent_at for each in self.events if is_request(each.type) and each.event not in known]
        if asked and min(asked) < until:
            self.now = max(self.now, min(asked))
        else:
            self.now = max(self.now, until)
            self.journal.append(facts.encode(Moved(status.QUEUED, self.now)))


def play_to_the_end(program: Code, world: World) -> Ending:
    """Start processes until one comes to the end; say how that was."""
    while True:
        try:
            return Process(program, world, world.mode).run()
        except Crash:
            world.now += 1
        except Evicted:
            pass
        except Paused:
            world.go_on()


class Process:
    """A machine, the code on top of it, and what goes on in memory."""

    def __init__(self, program: Code, world: World, mode: str = residency.RESIDENT) -> None:
        self._mode = mode
        self._careful, world.died = world.died, False
        self.machine = Machine(world.facts(), seq=len(world.journal), died=self._careful)
        self._world = world
        self._guard = program if isinstance(program, Guard) else None
        self._program = program.body if isinstance(program, Guard) else program
        self._scope = Scope()
        self._futures: dict[str, Callable[[object], None]] = {}
        self._parks: dict[str, Park] = {}
        self._attempts: dict[str, tuple[int, int]] = {}
        self._calls: dict[str, Call] = {}
        self._received = {fact.event for fact in world.facts() if isinstance(fact, Received)}
        self._ending: Ending | None = None
        self._over = False
        self._left = False
        self._pausing = False
        self._orders: dict[str, int] = {}
        self._touched: set[str] = set()
        self._to_undo: list[str] | None = None

    def run(self) -> Ending:
        """Play until the instance is over."""
        if not self.machine.ended:
            moved = status.ROLLING_BACK if self.machine.rolling_back else status.RUNNING
            self.machine.move(Moved(moved, self._world.now))
        self.replay()
        for _ in range(ROUNDS):
            if self._over:
                break
            self._pass_time()
            self._settle_down()
        else:
            raise AssertionError("the program never comes to its end")
        assert self._ending is not None
        if not self.machine.ended:
            self.machine.move(Moved(self._ending.status, self._world.now))
            self._commit()
        return self._ending

    def replay(self) -> None:
        """Bring the code to where the journal ends, and decide what is open there."""
        start(self._program, self._scope, self, self._return)
        self._settle_down()

    def parked(self) -> list[str]:
        """Name the steps that wait."""
        return list(self._parks)

    # -- what the code calls -------------------------------------------------------------------------------

    def step(self, program: Call | Sleep | WaitForEvent, done: Callable[[object], None]) -> str:
        step: Step = program if not isinstance(program, Call) else do_of(program)
        key = self.machine.open(step, self._world.now)
        self._futures[key] = done
        if isinstance(program, Call):
            self._calls[key] = program
            if program.undo is not None:
                self._orders[key] = self.machine.order
        return key

    def close(self, key: str) -> None:
        if self._futures.pop(key, None) is not None:
            if key in self._orders and self.machine.began(key):
                self.machine.announce([key])
                self._touched.add(key)
            self.machine.close(key)
        for kept in (self._parks, self._attempts):
            kept.pop(key, None)

    def log(self, line: str) -> None:
        self.machine.log(Logged("info", line, self._world.now, order=self.machine.order))

    def fail(self) -> None:
        self._end(Ending(status.ERRORED))

    def _return(self, result: object) -> None:
        self._end(Ending(status.COMPLETE, result))

    def _end(self, ending: Ending) -> None:
        if self._ending is None and not self._left:
            self._ending = ending

    # -- the cycle -----------------------------------------------------------------------------------------

    def _settle_down(self) -> None:
        """Show outcomes and decide until nothing happens any more without the world."""
        while True:
            while not self._over and (news := self.machine.next(len(self._world.journal))) is not None:
                self._hear(news)
            if self._over or self._is_over():
                self._over = True
                return
            if not self._holds_back:
                for key in self.machine.undecided():
                    self._decide(key)
            if not self._commit() and not self.machine.awaiting:
                return

    @property
    def _holds_back(self) -> bool:
        return self._pausing or self.machine.asked

    def _hear(self, news: News) -> None:
        match news:
            case Seen(key):
                self._parks.pop(key, None)
                if key in self._orders:
                    self._touched.add(key)
                done = self._futures.pop(key)
                if self._to_undo is not None or not (self._left or self._ending):
                    done(("event", news.event.event) if news.event is not None else plain(news.outcome))
            case Asked(type_):
                if not self._left and self._ending is None:
                    self._cancel() if type_ == CANCEL else self._leave()
            case Undo():
                self._left = True
                begun = [key for key in self._orders if key in self._touched or self.machine.began(key)]
                assert begun or self._ending is None
                self._to_undo = sorted(begun, key=self._orders.__getitem__)
                self._undo_next(("value", b""))

    def _cancel(self) -> None:
        guard, self._guard = self._guard, None
        self._scope.close(self)
        if guard is None:
            self._end(Ending(status.TERMINATED))
            return
        self._scope = Scope()
        ending = status.TERMINATED if guard.ends else status.COMPLETE
        start(guard.cleanup, self._scope, self, lambda result: self._end(Ending(ending, result)))

    def _leave(self) -> None:
        """Leave the code for good, and undo what was done as soon as that is on disk."""
        self._left = True
        self.machine.announce(self._attempts)
        self._attempts.clear()
        self._parks.clear()
        self.machine.roll_back(None, self._world.now)

    def _undo_next(self, result: object) -> None:
        assert self._to_undo is not None
        was = self._ending or Ending(status.TERMINATED)
        if not self._to_undo or result[0] == "error":  # type: ignore[index]
            self._ending = Ending(was.status, was.result, undone=not self._to_undo and result[0] != "error")  # type: ignore[index]
            self._over = True
            return
        key = self._to_undo.pop()
        undo = self.machine.open(Rollback(PREFIX + key, UNDOING), self._world.now)
        self._calls[undo] = Call(undo, self._calls[key].undo or 0)
        self._futures[undo] = self._undo_next

    def _is_over(self) -> bool:
        """Tell whether there is nothing left to do once the code has come to an end."""
        if self._ending is None or self.machine.rolling_back:
            return False
        if self._ending.status == status.COMPLETE or not self._orders:
            return True
        if not any(key in self._touched or self.machine.began(key) for key in self._orders):
            return True
        self._leave()
        return False

    def _decide(self, key: str) -> None:
        decision = self.machine.decide(key, self._world.now)
        self._world.decisions.append((key, decision))
        self._parks.pop(key, None)
        match decision:
            case Run(attempt):
                self._begin(key, attempt)
            case Park():
                self._parks[key] = decision

    def _begin(self, key: str, attempt: int) -> None:
        call, world = self._calls[key], self._world
        self.machine.begin(key, attempt, world.now)
        if self._careful or call.once:
            self.machine.announce([key])
            self._commit()
        world.ran.append(key)
        if world.ran.count(key) <= call.kills:
            world.died = True
            raise Crash
        self._attempts[key] = (world.now + call.takes_ms, attempt)

    def _pass_time(self) -> None:
        """Go on to the next thing that happens, and let all happen that does so then."""
        world = self._world
        coming = [event for event in world.events if event.event not in self._received]
        if not self._attempts:
            self.machine.announce(self._parks)
            if self._pausing:
                self._rest()
        world.now = max(world.now, min(self._instants(coming)))
        for event in coming:
            if event.sent_at <= world.now:
                self._received.add(event.event)
                self.machine.receive(event)
        if world.pauses and world.pauses[0][0] <= world.now and not self._pausing:
            if self.machine.rolling_back:
                world.pauses = world.pauses[1:]
            else:
                self._pausing = True
                self.machine.move(Moved(status.PAUSING, world.now))
        for key, (end, attempt) in list(self._attempts.items()):
            if end <= world.now:
                del self._attempts[key]
                self._report(key, attempt)
            elif end - world.now > 5:
                self.machine.announce([key])
        if not self._holds_back:
            for key in list(self._parks):
                self._decide(key)
        self._commit()

    def _instants(self, coming: list[Received]) -> list[int]:
        instants = [end for end, _ in self._attempts.values()] + [event.sent_at for event in coming]
        if not self._pausing:
            instants += [park.until for park in self._parks.values()]
            instants += [since for since, _ in self._world.pauses[:1]]
        return instants

    def _rest(self) -> None:
        self._commit()
        if self.machine.rolling_back:
            self._world.pauses = self._world.pauses[1:]
            raise Crash
        self._world.journal.append(facts.encode(Moved(status.PAUSED, self._world.now)))
        raise Paused

    def _report(self, key: str, attempt: int) -> None:
        call = self._calls[key]
        outcome: Outcome = Ok(call.name.encode())
        if attempt <= call.failures:
            outcome = Err(Failure("Boom", key, retryable=not call.fatal))
        self.machine.report(key, outcome, self._world.now)
        if self._holds_back:
            self._parks[key] = Park(self._world.now)
        else:
            self._decide(key)

    def _commit(self) -> bool:
        new = self.machine.take()
        if new:
            self._world.append(new)
            if self._lets_go(new):
                raise Evicted
        return bool(new)

    def _lets_go(self, new: list[Fact]) -> bool:
        mode = self._mode
        if mode == residency.RESIDENT or self._pausing or not residency.advances(new) or self.machine.ended:
            return False
        return mode == residency.CUTTING or not self._attempts


def do_of(call: Call) -> Do:
    """Make the step that a call is."""
    return Do(
        call.name,
        Retry(limit=call.limit, delay_ms=10),
        at_most_once=call.once,
        undoable=call.undo is not None,
    )
