"""What the table of statuses means for those who move an instance; the same in every store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.engine import status
from wflow.engine.facts import Failed, Opened, Settled, Tried
from wflow.errors import InstanceEnded, NonDeterminismError, WrongMove

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wflow.engine.facts import Fact, Moved

BY_HAND: Final = ("pause", "resume", "terminate")
"""The verbs of `move`. The others are what a holder does, and `restart`, which is more than a move."""
UNDER_A_CLAIM: Final = frozenset({(status.RUNNING, "pause"), (status.PAUSING, "resume")})
"""The moves that an instance's holder makes true, so that its claim goes on."""


def to(before: str, verb: str) -> str:
    """Say where ``verb`` leads from ``before``; raises WrongMove, for one that is over InstanceEnded."""
    after = status.after(before, verb) if verb in BY_HAND else None
    if after is not None:
        return after
    if before in status.ENDED:
        # Cloudflare's words, for terminate.
        raise InstanceEnded(f"(instance.cannot_{verb}) Cannot {verb} instance since its on a finite state")
    raise WrongMove(f"(instance.cannot_{verb}) Cannot {verb} instance since its on status {before}")


def accepting(before: str, verb: str, accepted: Mapping[str, int] | None) -> dict[str, object]:
    """Give what the record of a move has beside it; raises WrongMove unless it resumes what is paused."""
    if not accepted:
        return {}
    if (before, verb) != (status.PAUSED, "resume"):
        raise WrongMove(f"(instance.cannot_accept) Cannot accept anything of an instance on status {before}")
    return {"accepted": dict(accepted)}


def restarted(before: str) -> str:
    """Say where a restart leads from ``before``; raises WrongMove."""
    after = status.after(before, "restart")
    if after is None:
        raise WrongMove(f"(instance.cannot_restart) Cannot restart instance since its on status {before}")
    return after


def diverged(moved: Moved | None) -> bool:
    """Tell whether the last change of an instance's status says that code and journal contradict each other.

    Older records have nothing but the error.
    """
    if moved is None or moved.status != status.PAUSED:
        return False
    failure = moved.failure
    return "divergence" in moved.detail or (
        failure is not None and failure.name == NonDeterminismError.__name__
    )


def gone(journal: Sequence[tuple[int, Fact]], cut: Collection[int]) -> list[str]:
    """Name the steps of which a ``cut`` leaves nothing, in the order in which the code asked for them."""
    orders: dict[str, int] = {}
    kept: set[str] = set()
    for seq, fact in journal:
        if isinstance(fact, Opened | Tried | Failed | Settled):
            if seq not in cut:
                kept.add(fact.key)
            order = fact.order if isinstance(fact, Opened | Settled) else 0
            orders[fact.key] = orders.get(fact.key, 0) or order
    # Older journals, and rollbacks, have no order: they are as their facts are.
    return sorted((key for key in orders if key not in kept), key=lambda key: (not orders[key], orders[key]))
