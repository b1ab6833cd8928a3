"""The course of one instance's code: what it hears, and what is still to do before it has come to its end.

When `run` is over it may not be the end: steps that nobody awaited are finished, and after a failure, or
when the instance is told to, steps are undone by a second task on the same loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from wflow.engine.changes import Rolling
from wflow.engine.outcome import Err, Ok, Outcome, RolledBack
from wflow.engine.requests import CANCEL
from wflow.engine.seen import Asked, Seen
from wflow.errors import WorkflowInternalError
from wflow.runtime.clock import now
from wflow.runtime.ends import unawaited
from wflow.runtime.failures import failure_of, outcome_of
from wflow.runtime.undoing import undo

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from wflow.engine.changes import Change
    from wflow.engine.outcome import Failure
    from wflow.engine.seen import News
    from wflow.runtime.code import Code
    from wflow.runtime.loop import Spinning
    from wflow.runtime.open_steps import OpenSteps


class Over(msgspec.Struct, frozen=True):
    """What the instance ends with: as terminated when there is no outcome."""

    outcome: Outcome | None = None
    rolled_back: RolledBack | None = None


class Course:
    """See the module; ``say`` is called with each change that is to be told."""

    __slots__ = (
        "_cancelled",
        "_code",
        "_failure",
        "_hurried",
        "_left",
        "_machine",
        "_outcome",
        "_rolling",
        "_say",
        "_spun",
        "_steps",
        "_undo",
        "_warned",
        "task",
    )

    def __init__(self, code: Code, steps: OpenSteps, say: Callable[[Change], None]) -> None:
        """Stand before the beginning; `begin` sets it going."""
        self._code = code
        self._machine = code.machine
        self._steps = steps
        self._say = say
        self._undo: asyncio.Task[None] | None = None
        self._failure: Failure | None = None
        self._outcome: Outcome | None = None
        self._spun: Failure | None = None
        self._cancelled = False
        self._hurried = False
        self._warned = False
        self._left = False
        self._rolling = False

    def begin(self, run: Coroutine[Any, Any, object], **options: Any) -> None:
        """Make the task that runs the user's `run`, for when the loop runs."""
        self.task: asyncio.Task[Any] = self._code.loop.create_task(run, **options)

    @property
    def stopped(self) -> bool:
        """Whether the code has ended, or was left where it stands."""
        return self._left or self.task.done()

    def hear(self, news: News) -> None:
        """Do what is asked for, or let the code see an outcome; a replay hears of it in the same place."""
        if isinstance(news, Seen):
            code = self._code
            if code.undoings.known:
                code.undoings.heard(news.key, news.outcome)
            # It is for the code, if that is there to see it, or else for what undoes its steps.
            if self._undo is not None or not (self._left or self.task.done()):
                code.hand(news)
        elif isinstance(news, Asked):
            self._ask(news.type)
        else:
            self._left, self._failure = True, news.failure
            self._roll(news.failure)
            self._undo = self._code.loop.create_task(undo(self._code, news.failure))

    def spin(self, spinning: Spinning) -> None:
        """Leave code that never comes to rest; a replay comes this far again, and hears how it went on."""
        self._left, self._spun = True, failure_of(WorkflowInternalError(str(spinning)))
        self._code.abandon()

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
        if self._left:
            return None
        outcome = self._outcome
        if outcome is None and not (self._cancelled and self.task.cancelled()):
            outcome = self._outcome = outcome_of(self.task)
        if not isinstance(outcome, Ok):
            return self.fail(None if outcome is None else outcome.failure)
        if not self._hurried and (unfinished := self._machine.unfinished()):
            self._finish(unfinished)
            return None
        return Over(outcome)

    def fail(self, failure: Failure | None) -> Over | None:
        """End with a failure, or as terminated when there is none; None when steps are undone first."""
        if not self._machine.rolling_back and not self._code.undoings.begun(self._machine):
            return Over(None if failure is None else Err(failure))
        self._roll_back(failure)
        return None

    def _ask(self, type_: str) -> None:
        """Do what the instance is asked to; one that is to be undone anyway need not be asked."""
        if self._left:
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
            self._code.log("warn", unawaited(unfinished), {})
        self._code.let_go(keep=unfinished)

    def _roll_back(self, failure: Failure | None) -> None:
        """Leave the code for good, and undo what was done as soon as that is on disk."""
        self._left = True
        self._steps.forget_all()
        if not self._machine.rolling_back:
            self._machine.roll_back(failure, now())
            self._roll(failure)

    def _roll(self, failure: Failure | None) -> None:
        """Say, once in each life, that it rolls back."""
        if not self._rolling:
            self._rolling = True
            self._say(Rolling(self._code.instance, now(), failure))
