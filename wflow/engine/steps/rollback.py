"""The rollback of a step: its function is called until it succeeds, as often as its own policy allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from wflow.engine import names
from wflow.engine.decisions import Run
from wflow.engine.retry import DEFAULT, Retry
from wflow.engine.steps.do import described, tried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.decisions import Decision
    from wflow.engine.past import Past

PREFIX: Final = names.ROLLBACK
"""What the key of a rollback begins with; the rest is the key of the step that it undoes."""


class Rollback(msgspec.Struct, frozen=True, gc=False):
    """Undo the step whose key is in the ``name``, which is the whole key."""

    kind: ClassVar[str] = "rollback"
    awaits: ClassVar[None] = None
    at_most_once: ClassVar[bool] = False
    name: str
    retry: Retry = DEFAULT

    def decide(self, past: Past, now: int) -> Decision:
        """Run, wait for the next attempt, or give up with the last error."""
        if past.failure is None:
            return Run(past.attempt + 1, self.retry.timeout_ms)
        return tried(past, past.failure, self.retry, now)

    def recorded(self, detail: Mapping[str, object]) -> Rollback:
        """Give itself; how a rollback is retried may change with the code."""
        del detail
        return self

    def describe(self) -> dict[str, object]:
        """Show the policy only where it is not the default."""
        return {} if self.retry == DEFAULT else described(self.retry)
