"""Between the words of the link and those of the runner: claims, commits, prints, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wflow.engine import facts, values
from wflow.engine.changes import Told
from wflow.engine.names import SHOWN_BYTES
from wflow.errors import InvalidInput
from wflow.link import frames
from wflow.runtime.failures import failure_of
from wflow.stores.store import Batch
from wflow.wire import wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.outcome import Failure
    from wflow.errors import WflowError
    from wflow.runner.holds import Hold
    from wflow.stores.store import Claim


def turn(claim: Claim, records: list[bytes] | None, events: list[facts.Received]) -> frames.Turn:
    """Make what a runtime is told of a claim; ``records`` None says that it has the instance in memory."""
    return frames.Turn(
        instance=claim.key,
        epoch=claim.epoch,
        workflow=claim.workflow,
        id=claim.id,
        created_at=claim.created_at,
        params=claim.params,
        seq=claim.seq,
        records=records,
        events=events,
        started_at=claim.started_at,
        shown=claim.shown,
        seed=claim.seed,
        pausing=claim.pausing,
        died=claim.died,
    )


def own(holds: Mapping[int, Hold], commit: frames.Commit) -> tuple[Batch, list[int]]:
    """Take of a commit what is about claims that the runtime holds; give the other instances.

    User code shares its process with the link: whatever it says there, it is heard on its own instances only,
    and what a status shows is kept within its limits.
    """
    changes = [change for change in commit.changes if not isinstance(change, Told) or _is_fit(change)]
    foreign = [key for key, epoch in commit.claims if key not in holds or holds[key].epoch != epoch]
    if not foreign:
        return (
            Batch(claims=commit.claims, rows=commit.rows, changes=changes, received=commit.received),
            foreign,
        )
    others = set(foreign)
    rows = [row for row in commit.rows if row[0] not in others]
    arrived = [facts.decode(row[4]) for row in rows if row[2] == facts.RECEIVED]
    batch = Batch(
        claims=[claim for claim in commit.claims if claim[0] not in others],
        rows=rows,
        changes=[change for change in changes if change.instance not in others],
        received=[fact.event for fact in arrived if isinstance(fact, facts.Received)],
    )
    return batch, foreign


def _is_fit(told: Told) -> bool:
    """Tell whether what a status is to show is what `ctx` makes of it."""
    try:
        if told.tags is not None:
            wanted.tags(told.tags)
        if told.shown is None:
            return True
        return len(told.shown) <= SHOWN_BYTES and isinstance(values.decode(told.shown), dict)
    except (InvalidInput, msgspec.DecodeError, ValueError):
        return False


def line(holds: Mapping[int, Hold], printed: frames.Printed) -> facts.Logged:
    """Make a line for the log of what user code printed, with the instance that it ran in."""
    claim = holds.get(printed.instance)
    detail = dict(printed.detail)
    if claim is not None:
        detail |= {"workflow": claim.workflow, "instance": claim.id}
    source = "step" if printed.step else "worker"
    return facts.Logged(printed.level, printed.text, printed.at, detail, printed.step, source)


def shown(refused: WflowError) -> Failure:
    """Make what user code hears of a refusal: what it is, and nothing of our own frames."""
    return msgspec.structs.replace(failure_of(refused), trace="", cause=None)
