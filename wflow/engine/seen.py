"""What a machine hands out, one thing at a time, in journal order."""

from __future__ import annotations

import msgspec

from wflow.engine.facts import Received
from wflow.engine.outcome import Failure, Outcome


class Seen(msgspec.Struct, frozen=True, gc=False):
    """An outcome that the code may see now; ``event`` is what a wait consumed."""

    key: str
    outcome: Outcome
    at: int
    event: Received | None = None


class Asked(msgspec.Struct, frozen=True, gc=False):
    """The instance is asked for something, by a type of `wflow.engine.requests`."""

    type: str
    at: int


class Undo(msgspec.Struct, frozen=True, gc=False):
    """The steps are to be undone now; ``failure`` is what the instance ends with, None for none."""

    at: int
    failure: Failure | None = None


News = Seen | Asked | Undo
