"""A journal folded: what its facts say of each step, and what is still to be handed to the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine.events import Events
from wflow.engine.facts import PATCH, Fact, Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Ok
from wflow.engine.past import Past
from wflow.engine.requests import is_request
from wflow.engine.standstill import Standstill
from wflow.engine.status import ENDED, QUEUED, ROLLING_BACK
from wflow.engine.unheard import Unheard

if TYPE_CHECKING:
    from collections.abc import Iterable

WORKFLOW: Final = "workflow"
"""The source of log lines that come again with every replay."""


class Folded(msgspec.Struct, eq=False):
    """See the module; whoever makes one takes over what it holds.

    ``unheard`` has the facts that the code is to hear of, ``undoable`` the orders of the steps that are to be
    undone if it comes to that. ``restarts`` is how often the instance began anew, ``patches`` has the keys of
    the changes that its code took in. Steps that the code asked for up to the ``through``-th were accepted as
    new.
    """

    pasts: dict[str, Past] = {}
    unheard: Unheard = msgspec.field(default_factory=Unheard)
    events: Events = msgspec.field(default_factory=Events)
    undoable: dict[str, int] = {}
    standstill: Standstill = msgspec.field(default_factory=Standstill)
    patches: dict[str, bool] = {}
    through: int = 0
    value_bytes: int = 0
    logs: int = 0
    restarts: int = 0
    ended: bool = False
    rolling_back: bool = False
    _open: dict[str, Past] = {}

    def fold(self, journal: Iterable[Fact]) -> None:
        """Fold ``journal``, in the order of its seqs."""
        for fact in journal:
            if type(fact) is Settled:  # as most are
                self._fold_settled(fact)
            else:
                self._fold(fact)

    def _fold(self, fact: Fact) -> None:
        match fact:
            case Opened(key=key):
                past = self.pasts[key] = Past(key=key, kind=fact.kind, opened_at=fact.at, digest=fact.digest)
                past.detail, past.told, past.generation = fact.detail, 1, self.restarts
                past.site, past.order = fact.site, fact.order
                self._open[key] = past
                self._note_undoable(fact)
            case Tried():
                past = self.pasts[fact.key]
                past.attempt, past.began_at = fact.attempt, fact.at
                past.interrupted, past.told = True, fact.attempt + 1
            case Failed():
                past = self.pasts[fact.key]
                past.attempt, past.began_at = fact.attempt, fact.began_at
                past.fail(fact.failure, fact.at)
                past.retry_at = fact.retry_at
            case Received():
                if is_request(fact.type):
                    self.events.note(fact.event)
                    self.unheard.record(fact)
                else:
                    self.events.add(fact)
            case Logged(source=source) if source == WORKFLOW:
                self.logs += 1
            case Moved():
                self._fold_moved(fact)

    def _fold_settled(self, fact: Settled) -> None:
        if fact.kind == PATCH:
            self.patches[fact.key] = True
            return
        key, outcome = fact.key, fact.outcome
        past = self._open.pop(key, None) if self._open else None
        if past is None:
            past = self.pasts[key] = Past(
                key, fact.kind, fact.opened_at, fact.digest, 0, fact.order, fact.site
            )
        past.outcome, past.attempt = outcome, fact.attempt
        if fact.detail:
            self._note_undoable(fact)
        if isinstance(outcome, Ok):
            self.value_bytes += len(outcome.value) + outcome.beside
        if fact.event is not None:
            past.event = self.events.take(fact.event)
        self.unheard.record(fact)

    def _fold_moved(self, fact: Moved) -> None:
        self.ended = fact.status in ENDED
        if fact.status == ROLLING_BACK:
            if not self.rolling_back:
                self.unheard.record(fact)
            self.rolling_back = True
        elif fact.status == QUEUED and fact.detail:
            self._fold_begun_anew(fact.detail)
        still_ms = self.standstill.moved(fact)
        if still_ms:
            for past in self._open.values():
                past.shift(still_ms)

    def _fold_begun_anew(self, detail: dict[str, Any]) -> None:
        """Note that it was restarted, or resumed with what was accepted of what is recorded so far."""
        if detail.get("restart"):
            self.restarts += 1
        if accepted := detail.get("accepted"):
            self.through = max(self.through, *accepted.values())
            for key, past in self.pasts.items():
                past.accepted = past.accepted or key in accepted
                past.late = True

    def _note_undoable(self, fact: Opened | Settled) -> None:
        if fact.detail.get("rollback"):
            self.undoable[fact.key] = fact.order
