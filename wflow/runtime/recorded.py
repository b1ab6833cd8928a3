"""An exported history as what a turn is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from wflow.engine import facts
from wflow.engine.facts import Failed, Moved, Opened, Received, Settled, Tried
from wflow.engine.status import COMPLETE, ENDED
from wflow.link import frames
from wflow.wire.strict import HistoryError, shown

if TYPE_CHECKING:
    from wflow.engine.facts import Fact
    from wflow.wire.history import History


def turn_of(history: History) -> frames.Turn:
    """Make the turn that plays a history again; for a rehearsal, as it holds no claim.

    The end of the journal tells the output, so that it can be compared; nothing is, where something was
    redacted. Raises HistoryError, with the place in the file, for a fact that speaks of what was not told.
    """
    subject = history.subject
    _check(history)
    journal = _with_end([fact for _, fact in history.facts], history)
    return frames.Turn(
        instance=subject.key,
        epoch=0,
        workflow=subject.workflow,
        id=subject.id,
        created_at=subject.created_at,
        params=subject.params,
        seq=history.seq,
        records=[facts.encode(fact) for fact in journal],
        events=[],
        started_at=subject.started_at or 0,
        seed=subject.seed,
        shown=subject.shown,
    )


def _check(history: History) -> None:
    """Refuse facts of steps that were not opened, and of events that were not received."""
    keys: set[str] = set()
    events: set[int] = set()
    for at, (_, fact) in enumerate(history.facts):
        match fact:
            case Opened(key=key):
                keys.add(key)
            case Settled(key=key, event=event):
                keys.add(key)
                if event is not None and event not in events:
                    raise HistoryError(f"facts[{at}].event", f"event {event} was not received before")
            case Tried(key=key) | Failed(key=key):
                if key not in keys:
                    raise HistoryError(f"facts[{at}].key", f"step {shown(key)} was not opened before")
            case Received(event=event):
                events.add(event)


def _with_end(journal: list[Fact], history: History) -> list[Fact]:
    """Complete the journal's last change of status, if it is an end."""
    for at in range(len(journal) - 1, -1, -1):
        moved = journal[at]
        if isinstance(moved, Moved):
            if moved.status in ENDED:
                output = history.subject.output if moved.status == COMPLETE else None
                failure = moved.failure or history.subject.failure
                if history.replaced:
                    output = failure = None
                journal[at] = replace(moved, output=output, failure=failure)
            break
    return journal
