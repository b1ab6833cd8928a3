"""The rollbacks that steps were given, and in what order they undo what was done."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import typed, values
from wflow.engine.outcome import Ok, Outcome
from wflow.engine.retry import DEFAULT, Retry
from wflow.engine.steps.rollback import PREFIX, Rollback
from wflow.errors import MismatchError, RollbackMissing
from wflow.runtime.attempt import Body
from wflow.runtime.delays import Delay
from wflow.runtime.failures import error_of
from wflow.runtime.named import picked, taken
from wflow.runtime.stream import opened

if TYPE_CHECKING:
    from wflow.engine.machine import Machine
    from wflow.engine.outcome import Failure
    from wflow.runtime.code import Code

_OFFERED: Final = ("ctx", "error", "output", "step_name")
_UNWANTED: Final = Ok()


class Undoing(msgspec.Struct, frozen=True):
    """The rollback of a step: what to call, what it takes, and how often it is tried."""

    function: Callable[..., object]
    wanted: tuple[str, ...]
    retry: Retry = DEFAULT
    delay: Delay | None = None
    returns: object = None

    def body(self, key: str, outcome: Outcome | None, error: BaseException | None) -> Body:
        """Make the call that undoes the step ``key``; ``error`` is what the instance fails with."""
        there: dict[str, Any] = {"error": error, "output": None, "step_name": key}
        if isinstance(outcome, Ok) and "output" in self.wanted:
            there["output"] = self._restored(outcome.value)
        wanted = [name for name in self.wanted if name != "ctx"]
        call = functools.partial(self.function, **picked(wanted, there))
        return Body(call, takes_context="ctx" in self.wanted, discards=True, delay=self.delay)

    def _restored(self, raw: bytes) -> object:
        value = opened(values.decode(raw))
        try:
            return value if self.returns is None else typed.restore(value, self.returns)
        except MismatchError:  # the code was changed since; the rollback must get something to undo
            return value


def undoing(step: str, function: Callable[..., object], retry: Retry, delay: Delay | None) -> Undoing:
    """Make one; raises InvalidInput for a function that takes what there is not."""
    return Undoing(function, taken(function, _OFFERED, what=f"step {step!r}: rollback"), retry, delay)


class Undoings(msgspec.Struct, eq=False):
    """The rollbacks of one pass through the code, in the order in which their steps began."""

    known: dict[str, Undoing] = {}
    """By the keys of their steps."""
    _orders: dict[str, int] = {}
    _outcomes: dict[str, Outcome] = {}
    _left: dict[str, None] = {}

    def add(self, key: str, one: Undoing, order: int) -> None:
        """Note the rollback of a step that the code asked for, as the ``order``-th of all."""
        self.known[key] = one
        self._orders[key] = order

    def heard(self, key: str, outcome: Outcome) -> None:
        """Note how a step ended, if it can be undone."""
        one = self.known.get(key)
        if one is not None:
            # Values that no rollback asks for are not kept in memory.
            self._outcomes[key] = outcome if "output" in one.wanted else _UNWANTED

    def given_up(self, key: str, machine: Machine) -> None:
        """Note that the code gave a step up in the middle, or before it saw the outcome."""
        if key in self.known and machine.began(key):
            self._left[key] = None
            if (outcome := machine.outcome(key)) is not None:
                self.heard(key, outcome)

    def begun(self, machine: Machine) -> list[str]:
        """Name the steps to undo, the last that began first: those that began and have or had a rollback."""
        orders = {
            key: order
            for key, order in self._orders.items()
            if key in self._outcomes or key in self._left or machine.began(key)
        }
        for key in machine.undoable.keys() - self.known.keys():
            # What the code has no rollback for any more has the place that it had when it began.
            orders[key] = machine.undoable[key]
        return sorted(orders, key=orders.__getitem__, reverse=True)

    def outcome(self, key: str) -> Outcome | None:
        """Give how a step ended; None when it was left in the middle."""
        return self._outcomes.get(key)


async def undo(code: Code, failure: Failure | None) -> None:
    """Undo the steps of ``code``, one after the other; the first rollback that fails is the last.

    ``failure`` is what the instance fails with. Raises what the rollback raised, or RollbackMissing.
    """
    error = None if failure is None else error_of(failure)
    undoings = code.undoings
    for key in undoings.begun(code.machine):
        one = undoings.known.get(key)
        if one is None:
            raise RollbackMissing(f"step {key!r} was given a rollback, and the code has none for it now")
        await code.step(Rollback(PREFIX + key, one.retry), one.body(key, undoings.outcome(key), error))
