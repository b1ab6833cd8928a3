"""One file a step kind; each is a frozen value that judges its own past."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from wflow.engine.decisions import Decision
    from wflow.engine.past import Past


class Step(Protocol):
    """What every kind answers to.

    ``awaits`` is the type of the events it may consume, None when it consumes none.
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """What user code called it."""
        ...

    @property
    def awaits(self) -> str | None:
        """Which type of event ends it early."""
        ...

    def decide(self, past: Past, now: int) -> Decision:
        """Say what happens next; pure, and the same for the same arguments."""
        ...

    def describe(self) -> dict[str, object]:
        """Say what `describe` should show of it: plain values, camelCase keys."""
        ...
