"""The events of one instance: first in, first out by type, each seen by the code once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from wflow.engine import names
from wflow.engine.facts import Received
from wflow.engine.requests import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable


class Events(msgspec.Struct, eq=False):
    """What has come in and what became of it."""

    _known: dict[int, Received] = {}
    _waiting: dict[str, deque[Received]] = {}
    _takers: dict[int, int] = {}
    _gone: dict[int, None] = {}  # an empty set is thrice as large, and most stay empty
    _aside: dict[str, dict[int, Received]] = {}

    def admit(self, event: Received, *, awaited: bool) -> bool:
        """Let an event in, unless it is known or there are too many that nobody awaits.

        Those are set aside, and are in nobody's journal: they stay where they came from, which has a limit of
        its own (`names.EVENTS_BUFFERED`). What is ours, by its type, is always let in.
        """
        type_ = event.type
        full = len(self._known) >= names.EVENTS_BUFFERED and not awaited and not type_.startswith(OURS)
        if (full or type_ in self._aside) and event.event not in self._known:
            self._aside.setdefault(type_, {})[event.event] = event
            return False
        return self.add(event)

    def set_aside(self, type_: str) -> Iterable[Received]:
        """Hand over those of a type that were set aside, in the order in which they came."""
        return self._aside.pop(type_, {}).values()

    def add(self, event: Received) -> bool:
        """Let an event in; False when it is known already."""
        if event.event in self._known or event.event in self._gone:
            return False
        self._known[event.event] = event
        self._waiting.setdefault(event.type, deque()).append(event)
        return True

    def note(self, number: int) -> bool:
        """Let in one that no step can take; False when it is known already."""
        known = number in self._gone
        self._gone[number] = None
        return not known

    def waiting(self, type_: str) -> Iterable[Received]:
        """Show those of a type that no step has taken, in the order in which they came."""
        return self._waiting.get(type_, ())

    def take(self, number: int) -> Received:
        """Note that a fact says that a step took it; it stays known until the code has seen it."""
        event = self._known[number]
        takers = self._takers[number] = self._takers.get(number, 0) + 1
        if takers == 1:
            waiting = self._waiting[event.type]
            waiting.remove(event)
            if not waiting:  # a type may be one step's own
                del self._waiting[event.type]
        return event

    def give_back(self, number: int) -> None:
        """Note that a step that took it was given up: it waits again, unless a fact names a later taker."""
        self._takers[number] -= 1
        type_ = self._known[number].type
        same = (event for event in self._known.values() if event.type == type_)
        waiting = deque(event for event in same if not self._takers.get(event.event))
        if waiting:
            self._waiting[type_] = waiting

    def seen(self, number: int) -> Received:
        """Hand it to the code; from here on only its number is remembered."""
        self._gone[number] = None
        del self._takers[number]
        return self._known.pop(number)
