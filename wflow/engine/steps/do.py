"""ctx.do: call a function until it gives a value, as often as its policy allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from wflow.engine.decisions import Decision, Park, Run, Settle
from wflow.engine.outcome import Err, Failure
from wflow.engine.retry import DEFAULT, Retry

if TYPE_CHECKING:
    from wflow.engine.past import Past

INTERRUPTED: Final = Failure(
    name="WorkflowInternalError",
    message="Attempt failed due to internal workflows error",
    path="wflow.errors:WorkflowInternalError",
)
"""What an attempt fails with that died with its process; Cloudflare's words."""


class Do(msgspec.Struct, frozen=True, gc=False):
    """Call the user's function; a value settles it, an error is retried by policy."""

    kind: ClassVar[str] = "do"
    awaits: ClassVar[None] = None
    name: str
    retry: Retry = DEFAULT

    def decide(self, past: Past, now: int) -> Decision:
        """Run, wait for the next attempt, or give up with the last error."""
        retry = self.retry
        if past.interrupted:
            # The attempt is spent (a body that kills its process must not run for ever), but the wait is not:
            # it was no fault of the step that the process went.
            if past.attempt > retry.limit:
                return Settle(Err(INTERRUPTED))
            return Run(past.attempt + 1, retry.timeout_ms)
        failure = past.failure
        if failure is None:
            return Run(past.attempt + 1, retry.timeout_ms)
        if not failure.retryable or past.attempt > retry.limit:
            return Settle(Err(failure))
        due = past.failed_at + retry.delay_after(past.attempt) if past.retry_at is None else past.retry_at
        return Run(past.attempt + 1, retry.timeout_ms) if now >= due else Park(due)

    def describe(self) -> dict[str, object]:
        """Show the policy only where it is not the default."""
        retry = self.retry
        if retry == DEFAULT:
            return {}
        return {
            "retries": {"limit": retry.limit, "delay": retry.delay_ms, "backoff": retry.backoff},
            "timeout": retry.timeout_ms,
        }
