"""The steps that wait for events, by type, in the order in which they were opened."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import msgspec

from wflow.engine.decisions import Settle
from wflow.engine.events import Events
from wflow.engine.outcome import Ok
from wflow.engine.past import Past

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wflow.engine.facts import Received


class Waits(msgspec.Struct, eq=False):
    """See the module; ``pasts`` are the machine's, ``events`` what has come in."""

    events: Events
    pasts: dict[str, Past]
    _keys: dict[str, dict[str, None]] = {}

    def add(self, type_: str, key: str) -> None:
        """Note that a step waits, after those that do already."""
        self._keys.setdefault(type_, {})[key] = None

    def remove(self, type_: str, key: str) -> None:
        """Note that it waits no more."""
        keys = self._keys[type_]
        del keys[key]
        if not keys:  # a type may be one step's own
            del self._keys[type_]

    def awaiting(self, type_: str) -> Iterable[str]:
        """Name those that wait for events of a type."""
        return self._keys.get(type_, ())

    def event_for(self, key: str, type_: str, now: int) -> Received | None:
        """Find the first event of a type that no step opened earlier will take, whoever is asked first."""
        left = iter(self.events.waiting(type_))
        event = next(left, None)
        for earlier in takewhile(lambda other: other != key, self._keys[type_]):
            if event is None:
                break
            past = self.pasts[earlier]
            past.event = event
            assert past.step is not None
            decision = past.step.decide(past, now)
            if isinstance(decision, Settle) and isinstance(decision.outcome, Ok):
                event = next(left, None)
        return event
