"""What the code hears of next, in journal order, for as long as the journal and the code agree.

When they did not, and the code was accepted as it is, it may ask for what had been recorded by then later
than it did: while it waits for a new step that was accepted with it, such outcomes are set aside, and handed
out when the code asks for them. All of them must be asked for in the end, but for those that were accepted
themselves (`Past.accepted`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from wflow.engine import causes
from wflow.engine.facts import Received, Settled
from wflow.engine.seen import Asked, News, Seen, Undo

if TYPE_CHECKING:
    from wflow.engine.folded import Folded
    from wflow.engine.past import Past
    from wflow.errors import NonDeterminismError


class Hearing:
    """See the module; ``folded`` is what the journal says."""

    __slots__ = ("_aside", "_events", "_let_off", "_pasts", "_through", "_unheard", "recorded", "wanted")

    def __init__(self, folded: Folded) -> None:
        """Begin before the journal's first outcome."""
        self._unheard = folded.unheard
        self._events = folded.events
        self._pasts = folded.pasts
        self._through = folded.through
        self.recorded = list(self._pasts)
        """The steps of the journal that the code may not have asked for yet."""
        self._let_off = False
        self._aside: dict[str, Settled] = {}
        self.wanted: deque[Settled] | None = None

    @property
    def behind(self) -> bool:
        """Whether the code has not come to where the journal ends: it has not heard, or not asked, of all."""
        if self._unheard.recorded:
            return True
        return any(not past.accepted for past in self._left())

    def want(self, key: str) -> None:
        """Hear that the code asks for a step that may come late: what was set aside of it comes next."""
        settled = self._aside.pop(key, None)
        if settled is not None:
            self.wanted = self.wanted or deque()
            self.wanted.append(settled)

    def close(self, key: str) -> None:
        """Pass over the outcome of a step: the code gave it up."""
        for settled in self.wanted or ():
            if settled.key == key:
                assert self.wanted is not None
                self.wanted.remove(settled)
                return
        self._unheard.close(key)

    def next(self, durable: int) -> News | None:
        """Give what the code is to hear of next, if its record is durable; see `Machine.next`."""
        if self.wanted:
            return self._seen(self.wanted.popleft())
        unheard = self._unheard
        while unheard.facts and (fact := unheard.next(durable)) is not None:
            if not isinstance(fact, Settled):
                self._let_off = True  # the code may be left, or leave, before it asks for what comes late
                if isinstance(fact, Received):
                    return Asked(fact.type, fact.at)
                return Undo(fact.at, fact.failure)
            past = self._pasts[fact.key]
            if past.step is not None:
                return self._seen(fact)
            if not self._may_wait(past):
                raise self._parted(past, open_=False)
            self._aside[fact.key] = fact
        if self.recorded and not unheard.recorded:
            self._expect_all_asked()
        return None

    def _seen(self, settled: Settled) -> Seen:
        del self._pasts[settled.key]
        event = None if settled.event is None else self._events.seen(settled.event)
        return Seen(settled.key, settled.outcome, settled.at, event)

    def _left(self) -> list[Past]:
        """List the steps of the journal that the code has not asked for."""
        found = map(self._pasts.get, self.recorded)
        return [past for past in found if past is not None and not past.asked]

    def _may_wait(self, past: Past) -> bool:
        """Tell whether the code may ask for a step later, or never."""
        if past.accepted or not past.late:
            return past.accepted
        return self._let_off or any(map(self._is_new, self._pasts.values()))

    def _is_new(self, past: Past) -> bool:
        """Tell whether the code waits for a step that was accepted as new."""
        return past.asked and not past.late and past.order <= self._through

    def _expect_all_asked(self) -> None:
        left = self._left()
        for past in left:
            if not self._may_wait(past):
                raise self._parted(past, open_=past.key not in self._aside)
        self.recorded = [past.key for past in left if not past.accepted]

    def _parted(self, past: Past, *, open_: bool) -> NonDeterminismError:
        recorded = {*self.recorded}
        asked = [one for one in self._pasts.values() if one.asked]
        new = [one for one in asked if one.key not in recorded and not one.late]
        return causes.unasked(past, new, [one for one in asked if one.key in recorded], open_=open_)
