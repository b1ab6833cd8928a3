"""ctx.sleep and ctx.sleep_until: nothing happens until the clock says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from wflow.engine.decisions import Decision, Park, Settle
from wflow.engine.outcome import Ok

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.past import Past


class Sleep(msgspec.Struct, frozen=True, gc=False):
    """Sleep for ``duration_ms`` after it was first asked for, or until the instant ``until``.

    While the instance is paused a duration does not run; an instant comes when it comes.

    The duration is no part of the step's identity: a changed one moves the deadline of the same sleep.
    """

    kind: ClassVar[str] = "sleep"
    awaits: ClassVar[None] = None
    at_most_once: ClassVar[bool] = False
    name: str
    duration_ms: int = 0
    until: int | None = None

    def decide(self, past: Past, now: int) -> Decision:
        """Settle when the time has come; a past date settles at once."""
        wake_at = past.opened_at + past.shift_ms + self.duration_ms if self.until is None else self.until
        return Settle(Ok()) if now >= wake_at else Park(until=wake_at)

    def recorded(self, detail: Mapping[str, object]) -> Sleep:
        """Give itself: how long it lasts may change with the code."""
        del detail
        return self

    def describe(self) -> dict[str, object]:
        """Show what was asked for."""
        return {"duration": self.duration_ms} if self.until is None else {"until": self.until}
