"""The engine's whole contract: three answers."""

from __future__ import annotations

import msgspec

from wflow.engine.outcome import Outcome


class Settle(msgspec.Struct, frozen=True, gc=False):
    """The step is over; this outcome is now a fact."""

    outcome: Outcome


class Run(msgspec.Struct, frozen=True, gc=False):
    """Call the user's function now."""

    attempt: int
    timeout_ms: int


class Park(msgspec.Struct, frozen=True, gc=False):
    """Nothing can happen before this instant, or before this event arrives."""

    until: int
    event: str | None = None


Decision = Settle | Run | Park
