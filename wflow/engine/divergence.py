"""Where a journal and the code part: what is recorded, what the code asks for, and what that looks like.

A site is a place in user code that asks for a step: `src/worker.py:42 await ctx.do("charge", charge)`, the
file as seen from the project's root, the line's number, a space, and the line itself, cut to `SITE_CHARS`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from wflow.engine.outcome import Failure
from wflow.errors import NonDeterminismError

SITE_CHARS: Final = 120
"""What a site takes; a longer line is cut."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A step as the journal or the code has it: its key, its kind, and the site that asked for it."""

    key: str
    kind: str
    site: str = ""


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing that code and journal disagree about.

    ``cause`` is a guess, by one of the words of `CAUSES`, and ``guess`` says it in a sentence. ``recorded``
    is what the journal has there (None: it is at its end), ``requested`` what the code asks for instead
    (None: nothing, it waits for other things or has ended). ``ways`` are sentences on how to go on.
    ``order`` is how far the code is with what is new: the order of the last such step that it asks for.
    """

    cause: str
    guess: str
    recorded: Point | None = None
    requested: Point | None = None
    ways: list[str] = []
    order: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How a journal fits the code at hand: ``heard`` outcomes of ``recorded`` were taken before it did not.

    ``failure`` is why it does not fit, None if it does; ``divergence`` says more, if that is what it is.
    """

    heard: int
    recorded: int
    failure: Failure | None = None
    divergence: Divergence | None = None

    @property
    def clean(self) -> bool:
        """Whether the journal replays to its end."""
        return self.failure is None


CAUSES: Final = ("renamed", "reordered", "removed", "added", "kind", "arguments", "chance", "branch")
"""A step that bears another name now; two that changed places; one that is gone; one that is new; another
kind; other arguments; a name or a way that a clock, chance or a global decides; another way otherwise.
"""


def error(divergence: Divergence, what: str) -> NonDeterminismError:
    """Make the error that says ``what`` is wrong, in a sentence, and below it all that is known of it."""
    return NonDeterminismError(told(divergence, what), divergence=divergence)


def told(divergence: Divergence, what: str) -> str:
    """Say it for people, in lines."""
    recorded, requested = divergence.recorded, divergence.requested
    lines = [
        what,
        f"  journal: {_shown(recorded) if recorded else 'nothing more'}",
        f"  code:    {_shown(requested) if requested else 'nothing that is new'}",
        f"  guess:   {divergence.cause}: {divergence.guess}",
    ]
    if divergence.ways:
        lines += ["  ways on:", *(f"    - {way}" for way in divergence.ways)]
    return "\n".join(lines)


def _shown(point: Point) -> str:
    where = f", {point.site}" if point.site else ""
    return f"step {point.key!r} ({point.kind}){where}"
