"""The engine's whole contract: three answers."""

from __future__ import annotations

from dataclasses import dataclass

from wflow.engine.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Settle:
    """The step is over; this outcome is now a fact."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Run:
    """Call the user's function now."""

    attempt: int
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Park:
    """Nothing can happen before this instant, or before this event arrives."""

    until: int
    event: str | None = None


Decision = Settle | Run | Park
