"""ctx.poll: call a function every so often until it has something to say, or time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from wflow.engine.decisions import Decision, Park, Run, Settle
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Err, Failure
from wflow.engine.retry import DEFAULT, Retry
from wflow.engine.steps.do import described, tried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.past import Past


class Poll(msgspec.Struct, frozen=True, gc=False):
    """Check at once, then ``every_ms`` after a check that was noted as `NOT_YET`; a value settles it.

    An error is retried by policy, which counts those that come one after the other. The whole lasts
    ``timeout_ms``, not counting the time that the instance is paused. A check that was due in time is made
    even if the instance was down then; no other begins after that.
    """

    kind: ClassVar[str] = "poll"
    awaits: ClassVar[None] = None
    at_most_once: ClassVar[bool] = False
    name: str
    every_ms: int
    timeout_ms: int
    retry: Retry = DEFAULT
    dynamic: bool = False

    def decide(self, past: Past, now: int) -> Decision:
        """Check, wait for the next check, give up with the last error, or time out."""
        failure = past.failure
        if failure is not None and failure != NOT_YET:
            over = tried(past, failure, self.retry, now)
            if isinstance(over, Settle):
                return over
        due, deadline = self._due(past), past.opened_at + past.paused_ms + self.timeout_ms
        if now >= deadline and due >= deadline:
            return Settle(Err(self._timed_out(past)))
        if now < due:
            return Park(min(due, deadline))
        left_ms = deadline - now if now < deadline else self.timeout_ms
        return Run(past.attempt + 1, min(self.retry.timeout_ms, left_ms))

    def recorded(self, detail: Mapping[str, object]) -> Poll:
        """Give itself: how often and how long it polls may change with the code."""
        del detail
        return self

    def describe(self) -> dict[str, object]:
        """Show how often and how long; the policy only where it is not the default."""
        told: dict[str, object] = {"every": self.every_ms, "timeout": self.timeout_ms}
        if self.retry != DEFAULT or self.dynamic:
            told["retries"] = described(self.retry, dynamic=self.dynamic)["retries"]
        return told

    def _due(self, past: Past) -> int:
        """Say when the next check is due, or was."""
        if past.failure is None:
            return past.opened_at
        if past.failure == INTERRUPTED:
            return past.began_at
        if past.retry_at is not None:
            return past.retry_at + past.shift_ms
        if past.failure == NOT_YET:
            return past.failed_at + self.every_ms
        return past.failed_at + self.retry.delay_after(past.failures, past.delay_ms)

    def _timed_out(self, past: Past) -> Failure:
        return Failure(
            name="WorkflowTimeoutError",
            message=f"Execution timed out after {self.timeout_ms}ms",
            path="wflow.errors:WorkflowTimeoutError",
            cause=None if past.failure == NOT_YET else past.failure,
        )
