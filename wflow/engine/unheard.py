"""The facts that the code is to hear of, in journal order, each once it is durable."""

from __future__ import annotations

from collections import deque

from wflow.engine.facts import Moved, Received, Settled

Unseen = Settled | Received | Moved
"""An outcome, a request, or that steps are to be undone."""


class Unheard:
    """See the module. What is in it at first is of the journal: hearing that is replaying.

    ``recorded`` counts what is left of that, ``asked`` the requests.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.recorded = 0
        self.asked = 0
        self._facts: deque[tuple[int, Unseen]] = deque()
        self._closed: set[str] = set()
        self._types: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._facts)

    def record(self, fact: Unseen) -> None:
        """Add a fact of the journal."""
        if isinstance(fact, Received):
            self.ask(fact, 0)
        else:
            self.add(fact, 0)
        self.recorded = len(self._facts)

    def add(self, fact: Settled | Moved, seq: int) -> None:
        """Add a fact that is durable when number ``seq`` is."""
        self._facts.append((seq, fact))

    def ask(self, request: Received, seq: int) -> None:
        """Add a request, unless there was one of its type before."""
        if request.type not in self._types:
            self._types.add(request.type)
            self._facts.append((seq, request))
            self.asked += 1

    def close(self, key: str) -> None:
        """Pass over the outcome of a step, which is among those to come: the code gave it up."""
        self._closed.add(key)

    def next(self, durable: int) -> Unseen | None:
        """Take out the first, if it is durable."""
        facts = self._facts
        while facts and facts[0][0] <= durable:
            _, fact = facts.popleft()
            if self.recorded:
                self.recorded -= 1
            if isinstance(fact, Received):
                self.asked -= 1
            elif self._closed and isinstance(fact, Settled) and fact.key in self._closed:
                self._closed.discard(fact.key)
                continue
            return fact
        return None
