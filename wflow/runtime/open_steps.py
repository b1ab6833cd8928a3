"""The open steps of one turn: what is decided of each, which of them run, and which wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.machine import Machine
from wflow.engine.outcome import Ok
from wflow.runtime.attempt import Body
from wflow.runtime.clock import now
from wflow.runtime.parked import Alarm, Parked
from wflow.runtime.running import Running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.decisions import Decision


class OpenSteps(msgspec.Struct, eq=False):
    """See the module; ``began`` hears of each wait, ``alarm`` rings when one is over.

    Whoever uses it says when nothing may begin: then what would be decided is put off (`defer`).
    """

    machine: Machine
    running: Running
    began: Callable[[str], None]
    alarm: Alarm
    died: bool
    """Whether one of those that come first may have ended the process."""
    parked: Parked = msgspec.field(default_factory=Parked)
    asked: dict[str, tuple[asyncio.Future[Any], Body | None]] = {}
    """What the code awaits, by the key of its step, and what is called for that."""
    _deferred: bool = False

    def decide(self, key: str, at: int | None = None) -> Decision:
        """Ask what happens to a step now, and see to it; ``at`` is the time, for who has it at hand."""
        if at is None:
            at = now()
        decision = self.machine.decide(key, at)
        if isinstance(decision, Run):
            if self.parked.waits:  # what was put off waits no more
                self.parked.remove(key)
            body = self.asked[key][1]
            assert body is not None, "a step that runs has something to call"
            self.running.begin(key, body, decision, at)
        elif isinstance(decision, Park):
            self.parked.add(key, decision)
            self.alarm.set(self.parked.until())
            self.began(key)
        else:
            self.parked.remove(key)
        return decision

    def decide_new(self) -> None:
        """Decide what was put off, and the steps that nothing was decided of yet."""
        if self._deferred:
            self._deferred = False
            for key in list(self.parked):
                self.decide(key)
        keys = self.machine.undecided()
        if self.died:
            self.died = False
            self.running.mind(keys)
        if keys:
            at = now()
            for key in keys:
                self.decide(key, at)

    def decide_due(self) -> None:
        """Decide those whose time has come, and wake for the next."""
        for key in self.parked.due(now()):
            self.decide(key)
        self.alarm.set(self.parked.until())

    def decide_timers(self) -> None:
        """Decide the sleeps whose time has come, and put off what else is due: it may begin a call."""
        others = []
        for key in self.parked.due(now()):
            if self.machine.step(key).kind == "sleep":
                self.decide(key)
            else:
                others.append(key)
        self.alarm.set(self.parked.until())
        for key in others:
            self.defer(key)

    def decide_awaiting(self, arrived: Mapping[str, int]) -> None:
        """Decide those that wait for events, of which so many have come in by type."""
        for type_, count in arrived.items():
            left = count
            for key in self.parked.awaiting(type_):
                match self.decide(key):
                    case Settle(Ok()):
                        left -= 1
                if not left:
                    break

    def defer(self, key: str | None = None) -> None:
        """Decide later; ``key`` is a step that does not wait for anything else."""
        self._deferred = True
        if key is not None:
            self.parked.add(key, Park(now()))

    def forget(self, key: str) -> None:
        """Let go of a step."""
        self.asked.pop(key, None)
        self.parked.remove(key)
        self.running.give_up(key)

    def forget_all(self) -> None:
        """Let go of all that run or wait."""
        if self.running.attempts:
            self.running.give_up_all()
        if self.parked.waits:
            self.still()
            self.parked.clear()

    def still(self) -> None:
        """Wake for nothing any more."""
        self.alarm.set(None)
