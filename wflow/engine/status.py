"""The instance's statuses and every move between them, as one table; ARCHITECTURE.md shows it."""

from __future__ import annotations

from typing import Final

QUEUED: Final = "queued"
RUNNING: Final = "running"
WAITING: Final = "waiting"
PAUSING: Final = "waitingForPause"
PAUSED: Final = "paused"
ERRORED: Final = "errored"
TERMINATED: Final = "terminated"
COMPLETE: Final = "complete"
ROLLING_BACK: Final = "rollingBack"

MOVES: Final[dict[str, dict[str, str]]] = {
    QUEUED: {"start": RUNNING, "pause": PAUSED, "restart": QUEUED, "terminate": TERMINATED},
    RUNNING: {
        "rest": WAITING,
        "pause": PAUSING,
        "hold": PAUSED,
        "rollBack": ROLLING_BACK,
        "finish": COMPLETE,
        "fail": ERRORED,
        "restart": QUEUED,
        "terminate": TERMINATED,
    },
    WAITING: {"start": RUNNING, "pause": PAUSED, "restart": QUEUED, "terminate": TERMINATED},
    PAUSING: {
        "rest": PAUSED,
        "hold": PAUSED,
        "resume": RUNNING,
        "rollBack": ROLLING_BACK,
        "finish": COMPLETE,
        "fail": ERRORED,
        "restart": QUEUED,
        "terminate": TERMINATED,
    },
    PAUSED: {"start": RUNNING, "resume": QUEUED, "restart": QUEUED, "terminate": TERMINATED},
    ROLLING_BACK: {
        "rest": ROLLING_BACK,
        "hold": PAUSED,
        "fail": ERRORED,
        "terminate": TERMINATED,
    },
    ERRORED: {"restart": QUEUED},
    TERMINATED: {"restart": QUEUED},
    COMPLETE: {"restart": QUEUED},
}
"""From a status, by a verb, to the next.

`hold` is the engine's own pause: code and journal diverged. `rollBack` runs the rollbacks of the steps, after
a failure or before a termination. What is paused is started only by what it is asked: to cancel, or to roll
back.
"""

ALL: Final = tuple(MOVES)
ENDED: Final = frozenset({ERRORED, TERMINATED, COMPLETE})
"""The instance is over: it holds nothing, its journal does not grow; it can only be started anew."""


def after(status: str, verb: str) -> str | None:
    """Say where ``verb`` leads from ``status``; None when it is not allowed."""
    return MOVES[status].get(verb)
