"""ctx.now, ctx.uuid4, ctx.random: time and chance that are the same at each replay, without a record.

Chance comes from the instance's seed, which is kept since its creation, and from a counter: who does not know
the seed can foretell nothing of it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final
from uuid import UUID

from wflow.errors import NonRetryableError
from wflow.runtime.seed import derived, seed_of

if TYPE_CHECKING:
    from wflow.runtime.loop import WorkflowLoop

_FLOAT_BITS: Final = 53
"""A float's precision."""
_INSTEAD: Final = {"now": "datetime.now(UTC)", "uuid4": "uuid.uuid4()", "random": "random.random()"}


class Chance:
    """One instance's, for one pass through its code."""

    __slots__ = ("_floats", "_loop", "_seed", "_uuids")

    def __init__(self, loop: WorkflowLoop, seed: bytes) -> None:
        """Draw from the instance's ``seed``, for the code on ``loop``."""
        self._loop = loop
        self._seed = seed_of(seed, loop.turn.instance)
        # A stream each: one more draw from one moves nothing in the other.
        self._uuids = count(1)
        self._floats = count(1)

    def now(self) -> datetime:
        """Tell when the last outcome came that the code has heard of, at first when it started; in UTC."""
        self._expect_workflow("now")
        return datetime.fromtimestamp(round(self._loop.now * 1000) / 1000, UTC)

    def uuid4(self) -> UUID:
        """Make a UUID of version 4."""
        self._expect_workflow("uuid4")
        return UUID(bytes=derived(self._seed, "uuid4", str(next(self._uuids))), version=4)

    def random(self) -> float:
        """Draw a number from 0 up to, but not including, 1."""
        self._expect_workflow("random")
        raw = derived(self._seed, "random", str(next(self._floats)))
        return (int.from_bytes(raw[:8]) >> (64 - _FLOAT_BITS)) / (1 << _FLOAT_BITS)

    def _expect_workflow(self, name: str) -> None:
        """Raise NonRetryableError inside a step: steps draw in another order each time."""
        if asyncio._get_running_loop() is not self._loop:  # noqa: SLF001 - the public one may raise
            raise NonRetryableError(
                f"ctx.{name}() is for workflow code; inside a step use {_INSTEAD[name]}, "
                "since a step that has an outcome is not made again"
            )
