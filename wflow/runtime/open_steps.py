"""The open steps of one turn: what is decided of each, which of them run, and which wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.outcome import Ok
from wflow.runtime.clock import now
from wflow.runtime.parked import Alarm, Parked

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from wflow.engine.decisions import Decision
    from wflow.engine.machine import Machine
    from wflow.runtime.attempt import Body
    from wflow.runtime.running import Running


class OpenSteps:
    """See the module; ``began`` hears of each attempt and wait, ``ring`` is called when a wait is over.

    Whoever uses it says when nothing may begin: then what would be decided is put off (`defer`).
    """

    __slots__ = ("_alarm", "_began", "_deferred", "_died", "_machine", "asked", "parked", "running")

    def __init__(
        self,
        machine: Machine,
        running: Running,
        began: Callable[[str], None],
        ring: Callable[[], None],
        *,
        died: bool,
    ) -> None:
        """Begin with none; ``died`` says that one of those that come first may have ended the process."""
        self.running = running
        self.parked = Parked()
        self.asked: dict[str, tuple[asyncio.Future[Any], Body | None]] = {}
        """What the code awaits, by the key of its step, and what is called for that."""
        self._machine = machine
        self._began = began
        self._alarm = Alarm(ring)
        self._deferred = False
        self._died = died

    def decide(self, key: str) -> Decision:
        """Ask what happens to a step now, and see to it."""
        at = now()
        decision = self._machine.decide(key, at)
        if isinstance(decision, Run):
            if key in self.parked.waits:  # what was put off waits no more
                self.parked.remove(key)
            body = self.asked[key][1]
            assert body is not None, "a step that runs has something to call"
            if self.running.begin(key, body, decision, at):
                self._began(key)
        elif isinstance(decision, Park):
            self.parked.add(key, decision)
            self._alarm.set(self.parked.until())
            self._began(key)
        else:
            self.parked.remove(key)
        return decision

    def decide_new(self) -> None:
        """Decide what was put off, and the steps that nothing was decided of yet."""
        if self._deferred:
            self._deferred = False
            for key in list(self.parked):
                self.decide(key)
        keys = self._machine.undecided()
        if self._died:
            self._died = False
            self.running.mind(keys)
        for key in keys:
            self.decide(key)

    def decide_due(self) -> None:
        """Decide those whose time has come, and wake for the next."""
        for key in self.parked.due(now()):
            self.decide(key)
        self._alarm.set(self.parked.until())

    def decide_timers(self) -> None:
        """Decide the sleeps whose time has come, and put off what else is due: it may begin a call."""
        others = []
        for key in self.parked.due(now()):
            if self._machine.step(key).kind == "sleep":
                self.decide(key)
            else:
                others.append(key)
        self._alarm.set(self.parked.until())
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

    def began(self, seq: int) -> None:
        """Begin the attempts that were to be on disk first, and are now."""
        for key in self.running.durable(seq):
            self._began(key)

    def forget(self, key: str) -> None:
        """Let go of a step."""
        self.asked.pop(key, None)
        self.parked.remove(key)
        self.running.give_up(key)

    def forget_all(self) -> None:
        """Let go of all that run or wait."""
        self.still()
        self.running.give_up_all()
        self.parked.clear()

    def still(self) -> None:
        """Wake for nothing any more."""
        self._alarm.set(None)
