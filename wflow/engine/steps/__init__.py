"""One file a step kind; each is a frozen value that judges its own past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.decisions import Decision
    from wflow.engine.past import Past


class Step(Protocol):
    """What every kind answers to.

    ``awaits`` is the type of the events it may consume, None when it consumes none; ``at_most_once`` says
    that an attempt that was cut off counts as failed.
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

    @property
    def at_most_once(self) -> bool:
        """Whether an attempt must be on disk before it begins."""
        ...

    def decide(self, past: Past, now: int) -> Decision:
        """Say what happens next; pure, and the same for the same arguments."""
        ...

    def recorded(self, detail: Mapping[str, Any]) -> Step:
        """Give the step as it was first asked for, which ``detail`` (of `describe`) tells."""
        ...

    def describe(self) -> dict[str, object]:
        """Say what `describe` should show of it: plain values, camelCase keys."""
        ...
