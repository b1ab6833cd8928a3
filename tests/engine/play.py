"""The script of one step: ``<<`` is what the engine decides, ``>>`` is what the world brings.

::

    play = Play(Do("charge", Retry(limit=1, delay_ms=1_000)))
    play << Run(1, 600_000) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, 600_000) >> OK << Settle(OK)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.engine import facts
from wflow.engine.decisions import Decision, Run
from wflow.engine.facts import Received
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Failure, Ok

if TYPE_CHECKING:
    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Outcome
    from wflow.engine.steps import Step

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
        self._begin()

    def at(self, now: int) -> Play:
        """Move the clock."""
        self.now = now
        return self

    def __lshift__(self, expected: Decision) -> Play:
        """Expect a decision; a Run begins its attempt."""
        decision = self._machine.decide(self._key, self.now)
        assert decision == expected
        if isinstance(decision, Run):
            self._machine.begin(self._key, decision.attempt, self.now)
        self._keep()
        return self

    def __rshift__(self, brought: Outcome | Received) -> Play:
        """Let the attempt end, or an event come in."""
        if isinstance(brought, Received):
            self._machine.receive(brought)
        else:
            self._machine.report(self._key, brought, self.now)
        self._keep()
        return self

    def lasts(self) -> Play:
        """Let what goes on become a fact."""
        self._machine.announce([self._key])
        self._keep()
        return self

    def crash(self, step: Step | None = None) -> Play:
        """Kill the process and start another one, perhaps with other code, on what is in the journal."""
        self._step = step or self._step
        self._begin()
        return self

    def told(self) -> list[str]:
        """Name the facts in the journal."""
        return [type(fact).__name__ for fact in self.journal]

    def _begin(self) -> None:
        self._machine = Machine(self.journal, seq=len(self.journal))
        self._key = self._machine.open(self._step, self.now)

    def _keep(self) -> None:
        """Put on disk what is new, the way it comes back from there."""
        self.journal += [facts.decode(facts.encode(fact)) for fact in self._machine.take()]


def event(number: int, type_: str = "paid", *, at: int = 0) -> Received:
    """Make an event; its payload is its number."""
    return Received(number, type_, bytes([number]), at, at)
