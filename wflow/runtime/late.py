"""What calls bindings though its attempt is over: a task that it left behind, a thread that timed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.errors import InvalidInput
from wflow.runtime.home import OVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.runtime.attempt import Place
    from wflow.runtime.turn import Turn


def check(turns: Mapping[int, Turn], place: Place) -> None:
    """Refuse a call from a place whose attempt is over: what a step does is kept with its outcome."""
    turn = turns.get(place.instance)
    running = None if turn is None or turn.state is OVER else turn.steps.running
    attempt = None if running is None else running.attempts.get(place.step)
    if attempt is None or attempt.place is not place:
        raise InvalidInput(
            f"attempt {place.attempt} of step {place.step!r} is over: what it does now is not kept",
            hint="await what a step does before its function returns",
        )
