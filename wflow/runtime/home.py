"""What a turn uses of the runtime that it plays in."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from wflow.runtime.outbox import Outbox
    from wflow.runtime.streamed import Pieces
    from wflow.runtime.together import Together
    from wflow.runtime.turn import Turn


class State(enum.Enum):
    """Whether a turn holds a claim and goes on, is at rest in memory, or is over."""

    PLAYING = enum.auto()
    RESTING = enum.auto()
    OVER = enum.auto()


# Python 3.11 takes its time to find a member in its class, and a turn looks at its state all the time.
PLAYING: Final = State.PLAYING
RESTING: Final = State.RESTING
OVER: Final = State.OVER


class Home(Protocol):
    """A runtime, as its turns see it."""

    outbox: Outbox
    together: Together
    draining: bool

    @property
    def pieces(self) -> Pieces:
        """The way of streams to the runner and back."""
        ...

    @property
    def threads(self) -> Executor:
        """Where sync step bodies run."""
        ...

    def began(self, turn: Turn, key: str) -> None:
        """Hear that a wait begins, or that an attempt does not end at once, to `announce` it if it lasts."""
        ...

    def rested(self, turn: Turn) -> None:
        """Hear that the turn rests, and that this is on disk: it may be evicted from now on."""
        ...

    def left(self, turn: Turn, *, released: bool) -> None:
        """Hear that the turn is over here; ``released`` when its instance goes on elsewhere."""
        ...
