"""ctx.wait_for_event: nothing happens until an event of a type arrives, or time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from wflow.engine import names
from wflow.engine.decisions import Decision, Park, Settle
from wflow.engine.outcome import Err, Failure, Ok

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.past import Past


class WaitForEvent(msgspec.Struct, frozen=True, gc=False):
    """Consume the first event of type ``awaits`` that was sent before the deadline."""

    kind: ClassVar[str] = "waitForEvent"
    at_most_once: ClassVar[bool] = False
    name: str
    awaits: str
    timeout_ms: int = names.EVENT_WAIT_MS

    def decide(self, past: Past, now: int) -> Decision:
        """Settle with the event the machine matched; else wait, else fail with a timeout."""
        deadline = past.opened_at + past.shift_ms + self.timeout_ms
        # An event sent in time wins even when the instance was asleep, or down, as it came.
        if past.event is not None and past.event.sent_at <= deadline:
            return Settle(Ok())
        if now >= deadline:
            return Settle(Err(self._timed_out()))
        return Park(until=deadline, event=self.awaits)

    def recorded(self, detail: Mapping[str, object]) -> WaitForEvent:
        """Give itself: how long it lasts may change with the code."""
        del detail
        return self

    def describe(self) -> dict[str, object]:
        """Show what is awaited and for how long."""
        return {"type": self.awaits, "timeout": self.timeout_ms}

    def _timed_out(self) -> Failure:
        return Failure(
            name="WorkflowTimeoutError",
            message=f"Execution timed out after {self.timeout_ms}ms",
            path="wflow.errors:WorkflowTimeoutError",
        )
