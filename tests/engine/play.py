"""The script of one step: ``<<`` is what the engine decides, ``>>`` is what the world brings.

In the mode ``evicting`` (see `tests.residency`) each decision is made by a machine that was folded anew from
the journal, unless an attempt runs.

::

    play = Play(Do("charge", Retry(limit=1, delay_ms=1_000)))
    play << Run(1, 600_000) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, 600_000) >> OK << Settle(OK)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import residency
from wflow.engine import facts
from wflow.engine.decisions import Decision, Run
from wflow.engine.facts import Moved, Opened, Received, Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Failure, Ok
from wflow.engine.seen import Asked, Seen, Undo
from wflow.engine.status import PAUSED, QUEUED

if TYPE_CHECKING:
    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Outcome
    from wflow.engine.steps import Step

LATER = 10**9
OK = Ok(b"\x01")
BOOM = Err(Failure("Boom", "it went off"))
LAST_STRAW = Err(Failure("NonRetryableError", "never again", retryable=False))


class Play:
    """One step of one instance, from the first call on, with the clock at 0."""

    def __init__(self, step: Step) -> None:
        self.now = 0
        self.journal: list[Fact] = []
        self._step = step
        self._machine = Machine()
        self._key = ""
        self._attempt = False
        self._resident = residency.mode_now() == residency.RESIDENT
        self._begin()

    def at(self, now: int) -> Play:
        """Move the clock."""
        self.now = now
        return self

    def __lshift__(self, expected: Decision) -> Play:
        """Expect a decision; a Run begins its attempt."""
        self._let_go()
        decision = self._machine.decide(self._key, self.now)
        assert decision == expected
        if isinstance(decision, Run):
            self._attempt = True
            self._machine.begin(self._key, decision.attempt, self.now)
        self._keep()
        return self

    def __rshift__(self, brought: Outcome | Received) -> Play:
        """Let the attempt end, or an event come in."""
        if isinstance(brought, Received):
            self._machine.receive(brought)
        else:
            self._attempt = False
            self._machine.report(self._key, brought, self.now)
        self._keep()
        return self

    def lasts(self) -> Play:
        """Let what goes on become a fact."""
        self._machine.announce([self._key])
        self._keep()
        return self

    def says(self, delay_ms: int) -> Play:
        """Let the attempt fail, and the step's delay function say how long to wait."""
        self._attempt = False
        self._machine.report(self._key, BOOM, self.now, delay_ms)
        self._keep()
        return self

    def crash(self, step: Step | None = None) -> Play:
        """End the process and start another one, perhaps with other code, on what is in the journal."""
        self._step = step or self._step
        self._begin()
        return self

    def dies(self, step: Step | None = None) -> Play:
        """As `crash`, but the step is to blame for it."""
        self._step = step or self._step
        self._begin(died=True)
        return self

    def paused(self, since: int, until: int) -> Play:
        """Let the instance be paused for a while; then it goes on from its journal."""
        self.journal += [Moved(PAUSED, since), Moved(QUEUED, until)]
        return self.at(until).crash()

    def told(self) -> list[str]:
        """Name the facts in the journal."""
        return [type(fact).__name__ for fact in self.journal]

    def _let_go(self) -> None:
        """Forget the machine and fold another one, if the journal tells of the step and no attempt runs."""
        told = any(isinstance(fact, (Opened, Settled)) for fact in self.journal)
        if told and not self._resident and not self._attempt:
            self._begin()

    def _begin(self, *, died: bool = False) -> None:
        self._attempt = died  # who is to blame is asked once, before anything else
        self._machine = Machine(self.journal, seq=len(self.journal), died=died)
        self._key = self._machine.open(self._step, self.now)

    def _keep(self) -> None:
        """Put on disk what is new, the way it comes back from there."""
        self.journal += [facts.decode(facts.encode(fact)) for fact in self._machine.take()]


def again(*journal: Fact, died: bool = False, **limits: int) -> Machine:
    """Start another process on a journal, as it comes back from disk."""
    kept = [facts.decode(facts.encode(fact)) for fact in journal]
    return Machine(kept, seq=len(kept), died=died, **limits)


def heard(machine: Machine, durable: int = LATER) -> list[str]:
    """Name what the code hears of in one go: keys of steps, types of requests, and that it is undone."""
    told = []
    while (news := machine.next(durable)) is not None:
        match news:
            case Seen(key):
                told.append(key)
            case Asked(type_):
                told.append(type_)
            case Undo():
                told.append("undo")
    return told


def done(machine: Machine, key: str, now: int = 0) -> None:
    """Let a step's first attempt succeed."""
    assert isinstance(machine.decide(key, now), Run)
    machine.begin(key, 1, now)
    machine.report(key, OK, now)


def event(number: int, type_: str = "paid", *, at: int = 0) -> Received:
    """Make an event; its payload is its number."""
    return Received(number, type_, b"%d" % number, at, at)
