"""ctx.do: call a function until it gives a value, as often as its policy allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from wflow.engine.decisions import Decision, Park, Run, Settle
from wflow.engine.outcome import INTERRUPTED, Err, Failure
from wflow.engine.retry import DEFAULT, Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.past import Past

DEATHS: Final = 5
"""A step whose process died so often under it is not tried again."""
REDACTED: Final = "[REDACTED]"
"""Stands for the output of a step that is `sensitive="output"`; Cloudflare's word."""
DYNAMIC: Final = "[dynamic]"
"""Stands for a delay that a function gives; Cloudflare's word."""
POISONED: Final = Failure(
    name="StepInterrupted",
    message=f"the process ended {DEATHS} times under this step, which is not tried again",
    path="wflow.errors:StepInterrupted",
    retryable=False,
)
"""What a step fails with that keeps ending its process."""


class Do(msgspec.Struct, frozen=True, gc=False):
    """Call the user's function; a value settles it, an error is retried by policy.

    With ``at_most_once`` an attempt is on disk before it begins, and one that was cut off counts as failed.
    ``sensitive`` hides the value wherever it would be shown, ``undoable`` says that there is a rollback, and
    ``dynamic`` that a function gives the delays: then what it said is taken instead of the policy's.
    """

    kind: ClassVar[str] = "do"
    awaits: ClassVar[None] = None
    name: str
    retry: Retry = DEFAULT
    at_most_once: bool = False
    sensitive: bool = False
    undoable: bool = False
    dynamic: bool = False

    def decide(self, past: Past, now: int) -> Decision:
        """Run, wait for the next attempt, or give up with the last error."""
        failure, retry = past.failure, self.retry
        if failure is None:
            return Run(past.attempt + 1, retry.timeout_ms)
        return tried(past, failure, retry, now, at_most_once=self.at_most_once, dynamic=self.dynamic)

    def recorded(self, detail: Mapping[str, Any]) -> Do:
        """Give the step with the settings of its first start, which hold for its life.

        Functions are the code's: one that gives the delays now is asked if one did when the step began.
        """
        retries = detail.get("retries")
        retry, dynamic = DEFAULT, False
        if retries is not None:
            dynamic = retries["delay"] == DYNAMIC
            retry = Retry(
                limit=retries["limit"],
                delay_ms=self.retry.delay_ms if dynamic else retries["delay"],
                backoff=retries["backoff"],
                timeout_ms=detail["timeout"],
            )
        at_most_once, sensitive = "atMostOnce" in detail, "sensitive" in detail
        return Do(self.name, retry, at_most_once, sensitive, self.undoable, dynamic and self.dynamic)

    def describe(self) -> dict[str, object]:
        """Show the settings only where they are not the defaults."""
        told: dict[str, object] = {}
        if (self.retry is not DEFAULT and self.retry != DEFAULT) or self.dynamic:
            told = described(self.retry, dynamic=self.dynamic)
        if self.at_most_once:
            told["atMostOnce"] = True
        if self.sensitive:
            told["sensitive"] = "output"
        if self.undoable:
            told["rollback"] = True
        return told


def tried(
    past: Past, failure: Failure, retry: Retry, now: int, *, at_most_once: bool = False, dynamic: bool = True
) -> Decision:
    """Judge a function whose last attempt ended with ``failure``: run it again, wait, or give up with that.

    An attempt that was cut off is made again at once and uses up no retry, unless it is ``at_most_once``; but
    a function that keeps ending its process is given up. Unless it is ``dynamic``, the policy gives the
    delays, whatever a function has said.
    """
    again = Run(past.attempt + 1, retry.timeout_ms)
    spent = past.failures + past.deaths if at_most_once else past.failures
    if failure == INTERRUPTED:
        if past.deaths >= DEATHS:
            return Settle(Err(POISONED))
        return Settle(Err(failure)) if at_most_once and spent > retry.limit else again
    if not failure.retryable or spent > retry.limit:
        return Settle(Err(failure))
    if past.retry_at is None:
        due = past.failed_at + retry.delay_after(spent, past.delay_ms if dynamic else None)
    else:
        due = past.retry_at + past.shift_ms
    return again if now >= due else Park(due)


def described(retry: Retry, *, dynamic: bool = False) -> dict[str, object]:
    """Show a policy, durations in milliseconds."""
    delay = DYNAMIC if dynamic else retry.delay_ms
    return {
        "retries": {"limit": retry.limit, "delay": delay, "backoff": retry.backoff},
        "timeout": retry.timeout_ms,
    }
