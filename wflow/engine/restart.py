"""Restarting from a step: which facts of a journal are to be forgotten, so that it runs again from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.engine.facts import PATCH, Failed, Logged, Opened, Received, Settled, Tried
from wflow.engine.folded import WORKFLOW
from wflow.engine.requests import CANCEL, CHILD
from wflow.engine.status import ROLLING_BACK
from wflow.engine.steps.rollback import PREFIX
from wflow.errors import WrongMove

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wflow.engine.facts import Fact


def cut(
    name: str, count: int = 1, kind: str | None = None
) -> Callable[[Sequence[tuple[int, Fact]]], list[int]]:
    """Make what chooses, of a whole journal of (seq, fact), the seqs to delete.

    What goes is the ``count``-th visit of the step ``name`` (of a ``kind``, if one is given; a poll is a
    ``do``, too), every step that the code asked for after it, all rollbacks, what the code logged after it,
    the changes that it took in there (`ctx.patched`), and the events that no step that stays has consumed.
    What ended children told stays, as they tell it once; and so does a request to cancel that the code heard
    before it came to that step.

    It raises WrongMove when there is no such step.
    """

    def choose(journal: Sequence[tuple[int, Fact]]) -> list[int]:
        key = f"{name}-{count}"
        places = _Places(journal)
        first = places.first(key)
        if first is None or not _is_of(places.kinds[key], kind):
            of = "" if kind is None else f" of type {kind!r}"
            raise WrongMove(
                f'(instance.cannot_restart) Step "{key}"{of} not found in execution history',
                hint="the steps are listed by `wflow workflows instances describe`",
            )
        gone = {each for each, place in places.steps.items() if place >= first or each.startswith(PREFIX)}
        consumed = {fact.event for _, fact in journal if isinstance(fact, Settled) and fact.key not in gone}
        return [
            seq for seq, fact in journal if _goes(fact, gone, consumed, later=places.of(seq, fact) >= first)
        ]

    return choose


class _Places:
    """Where in the order of what the code asked for each step is, and each fact that has a place there."""

    def __init__(self, journal: Sequence[tuple[int, Fact]]) -> None:
        opened = [
            (seq, fact) for seq, fact in journal if isinstance(fact, (Opened, Settled)) and fact.kind != PATCH
        ]
        # In older journals, or older parts of one, facts have no order: there it is the journal's own.
        self._ordered = all(fact.order for _, fact in opened)
        self.steps: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        for seq, fact in opened:
            self.steps.setdefault(fact.key, fact.order if self._ordered else seq)
            self.kinds[fact.key] = fact.kind

    def first(self, key: str) -> int | None:
        """Give the place of a step of the code; None when there is none."""
        return None if key.startswith(PREFIX) else self.steps.get(key)

    def of(self, seq: int, fact: Fact) -> int:
        """Give the place of a line, a request or a change of the code: it came after so many steps."""
        return fact.order if self._ordered and isinstance(fact, (Logged, Received, Settled)) else seq


def _is_of(found: str, kind: str | None) -> bool:
    return kind in (None, found) or (kind, found) == ("do", "poll")


def _goes(fact: Fact, gone: set[str], consumed: set[int | None], *, later: bool) -> bool:
    match fact:
        case Settled(kind=kind) if kind == PATCH:
            return later
        case Opened(key=key) | Tried(key=key) | Failed(key=key) | Settled(key=key):
            return key in gone
        case Received(type=type_) if type_ == CANCEL:
            return later
        case Received(type=type_):
            return fact.event not in consumed and not type_.startswith(CHILD)
        case Logged():
            return later and fact.source == WORKFLOW
    return fact.status == ROLLING_BACK
