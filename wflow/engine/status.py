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

MOVES: Final[dict[str, dict[str, str]]] = {
    QUEUED: {"start": RUNNING, "pause": PAUSED, "terminate": TERMINATED},
    RUNNING: {
        "rest": WAITING,
        "pause": PAUSING,
        "hold": PAUSED,
        "finish": COMPLETE,
        "fail": ERRORED,
        "terminate": TERMINATED,
    },
    WAITING: {"start": RUNNING, "pause": PAUSED, "terminate": TERMINATED},
    PAUSING: {
        "rest": PAUSED,
        "hold": PAUSED,
        "resume": RUNNING,
        "finish": COMPLETE,
        "fail": ERRORED,
        "terminate": TERMINATED,
    },
    PAUSED: {"resume": QUEUED, "terminate": TERMINATED},
    ERRORED: {},
    TERMINATED: {},
    COMPLETE: {},
}
"""From a status, by a verb, to the next. `hold` is the engine's own pause: code and journal diverged."""

ALL: Final = tuple(MOVES)
ENDED: Final = frozenset(status for status, moves in MOVES.items() if not moves)


def after(status: str, verb: str) -> str | None:
    """Say where ``verb`` leads from ``status``; None when it is not allowed."""
    return MOVES[status].get(verb)
