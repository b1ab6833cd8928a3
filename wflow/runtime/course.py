"""The course of one instance's code: what it hears, and what is still to do before it has come to its end.

When `run` is over it may not be the end: steps that nobody awaited are finished, and after a failure, or
when the instance is told to, steps are undone by a second task on the same loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from wflow.engine.changes import Change, Rolling
from wflow.engine.outcome import Err, Failure, Ok, Outcome, RolledBack
from wflow.engine.requests import CANCEL
from wflow.engine.seen import Asked, Seen
from wflow.errors import WorkflowInternalError
from wflow.runtime.clock import now
from wflow.runtime.code import Code
from wflow.runtime.ends import unawaited
from wflow.runtime.failures import failure_of, outcome_of
from wflow.runtime.open_steps import OpenSteps
from wflow.runtime.undoing import undo

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from wflow.engine.seen import News
    from wflow.runtime.loop import Spinning


class Over(msgspec.Struct, frozen=True):
    """What the instance ends with: as terminated when there is no outcome."""

    outcome: Outcome | None = None
    rolled_back: RolledBack | None = None


class Course(msgspec.Struct, eq=False):
    """See the module; ``say`` is called with each change that is to be told.

    It stands before the beginning; `begin` sets it going.
    """

    code: Code
    steps: OpenSteps
    say: Callable[[Change], None]
    left: bool = False
    """Whether the code was left where it stands."""
    task: Any = None
    _undo: asyncio.Task[None] | None = None
    _failure: Failure | None = None
    _outcome: Outcome | None = None
    _spun: Failure | None = None
    _cancelled: bool = False
    _hurried: bool = False
    _warned: bool = False
    _rolling: bool = False

    def begin(self, run: Coroutine[Any, Any, object], **options: Any) -> None:
        """Make the task that runs the user's `run`, for when the loop runs."""
        self.task = self.code.loop.create_task(run, **options)

    def hear(self, news: News) -> None:
        """Do what is asked for, or let the code see an outcome; a replay hears of it in the same place."""
        if isinstance(news, Seen):
            code = self.code
            if code.undoings.known:
                code.undoings.heard(news.key, news.outcome)
            # It is for the code, if that is there to see it, or else for what undoes its steps.
            if self._undo is not None or not (self.left or self.task.done()):
                code.hand(news)
        elif isinstance(news, Asked):
            self._ask(news.type)
        else:
            self.left, self._failure = True, news.failure
            self._roll(news.failure)
            self._undo = self.code.loop.create_task(undo(self.code, news.failure))

    def spin(self, spinning: Spinning) -> None:
        """Leave code that never comes to rest; a replay comes this far again, and hears how it went on."""
        self.left, self._spun = True, failure_of(WorkflowInternalError(str(spinning)))
        self.code.abandon()

    def over(self) -> Over | None:
        """Tell what the instance ends with, once the code has stopped and there is nothing left to do."""
        if self._undo is not None:
            if not self._undo.done():
                return None
            undone = outcome_of(self._undo)
            failed = undone.failure if isinstance(undone, Err) else None
            return Over(Err(self._failure) if self._failure else None, RolledBack(failed))
        if self._spun is not None:
            return self.fail(self._spun)
        if self.left:
            return None
        outcome = self._outcome
        if outcome is None and not (self._cancelled and self.task.cancelled()):
            outcome = self._outcome = outcome_of(self.task)
        if not isinstance(outcome, Ok):
            return self.fail(None if outcome is None else outcome.failure)
        if not self._hurried and (unfinished := self.code.machine.unfinished()):
            self._finish(unfinished)
            return None
        return Over(outcome)

    def fail(self, failure: Failure | None) -> Over | None:
        """End with a failure, or as terminated when there is none; None when steps are undone first."""
        if not self.code.machine.rolling_back and not self.code.undoings.begun(self.code.machine):
            return Over(None if failure is None else Err(failure))
        self._roll_back(failure)
        return None

    def _ask(self, type_: str) -> None:
        """Do what the instance is asked to; one that is to be undone anyway need not be asked."""
        if self.left:
            return
        if type_ != CANCEL:
            self._roll_back(None)
        elif self.task.done():
            self._hurried = True
        else:  # the machine hands out one of a kind
            self._cancelled = True
            self.task.cancel()

    def _finish(self, unfinished: list[str]) -> None:
        """Let go of what the code waited for; calls that it did not await are finished first."""
        if not self._warned:
            self._warned = True
            self.code.log("warn", unawaited(unfinished), {})
        self.code.let_go(keep=unfinished)

    def _roll_back(self, failure: Failure | None) -> None:
        """Leave the code for good, and undo what was done as soon as that is on disk."""
        self.left = True
        self.steps.forget_all()
        if not self.code.machine.rolling_back:
            self.code.machine.roll_back(failure, now())
            self._roll(failure)

    def _roll(self, failure: Failure | None) -> None:
        """Say, once in each life, that it rolls back."""
        if not self._rolling:
            self._rolling = True
            self.say(Rolling(self.code.instance, now(), failure))
