"""A step's folded facts: all that its kind needs to judge what comes next."""

from __future__ import annotations

import msgspec

from wflow.engine.facts import Received
from wflow.engine.outcome import Failure, Outcome


class Past(msgspec.Struct, gc=False):
    """What has happened to one step so far.

    ``attempt`` is the number of the last attempt that began, ``failure`` the error of the last one that
    failed; ``interrupted`` says that the last one began and was never heard of again.
    """

    key: str
    kind: str
    opened_at: int
    digest: bytes = b""
    attempt: int = 0
    began_at: int = 0
    failure: Failure | None = None
    failed_at: int = 0
    retry_at: int | None = None
    interrupted: bool = False
    event: Received | None = None
    told: int = 0
    """How much of it is in the journal: 0 nothing, 1 that it opened, 1 + n its attempts up to the nth too."""
    asked: bool = False
    """The code at hand has asked for it."""
    outcome: Outcome | None = None
    """How it ended, as a fact, though the code may not have seen it yet."""

    @property
    def settled(self) -> bool:
        """Whether it has ended."""
        return self.outcome is not None
