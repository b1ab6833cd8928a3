"""The facts that the code is to hear of, in journal order, each once it is durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine.facts import Moved, Received, Settled

if TYPE_CHECKING:
    from collections.abc import Iterator

Unseen = Settled | Received | Moved
"""An outcome, a request, or that steps are to be undone."""
_HEARD: Final = 64
"""So many places of the list, and more when they are the half of it, may be of facts that were handed out."""
_NOTHING: Final = 0, Moved("", 0)


class Unheard(msgspec.Struct, eq=False):
    """See the module. What is in it at first is of the journal: hearing that is replaying.

    ``recorded`` counts what is left of that, ``asked`` the requests.
    """

    recorded: int = 0
    asked: int = 0
    facts: list[tuple[int, Unseen]] = []
    _at: int = 0
    """Where in the list the first is; a deque would take ten times as much of an instance's memory."""
    _closed: dict[str, None] = {}
    _types: dict[str, None] = {}

    def __iter__(self) -> Iterator[Unseen]:
        return (fact for _, fact in self.facts[self._at :])

    def record(self, fact: Unseen) -> None:
        """Add a fact of the journal."""
        if isinstance(fact, Received):
            self.ask(fact, 0)
        else:
            self.facts.append((0, fact))
        self.recorded = len(self.facts) - self._at

    def add(self, fact: Settled | Moved, seq: int) -> None:
        """Add a fact that is durable when number ``seq`` is."""
        self.facts.append((seq, fact))

    def ask(self, request: Received, seq: int) -> None:
        """Add a request, unless there was one of its type before."""
        if request.type not in self._types:
            self._types[request.type] = None
            self.facts.append((seq, request))
            self.asked += 1

    def close(self, key: str) -> None:
        """Pass over the outcome of a step, which is among those to come: the code gave it up."""
        self._closed[key] = None

    def next(self, durable: int) -> Unseen | None:
        """Take out the first, if it is durable."""
        facts = self.facts
        while facts:
            at = self._at
            seq, fact = facts[at]
            if seq > durable:
                break
            if at + 1 == len(facts):
                facts.clear()
                self._at = 0
            else:
                facts[at] = _NOTHING
                self._at = at + 1
                if at >= _HEARD and 2 * self._at > len(facts):  # their places are let go of many at a time
                    del facts[: self._at]
                    self._at = 0
            if self.recorded:
                self.recorded -= 1
            if isinstance(fact, Received):
                self.asked -= 1
            elif self._closed and isinstance(fact, Settled) and fact.key in self._closed:
                del self._closed[fact.key]
                continue
            return fact
        return None
