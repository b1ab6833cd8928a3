"""How an instance ends, as what is said of it: facts, changes and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.engine import status
from wflow.engine.changes import Ended
from wflow.engine.facts import Moved
from wflow.engine.outcome import Err, Ok, RolledBack
from wflow.runtime.failures import failure_of, outcome_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from wflow.engine.outcome import Failure, Outcome

STUCK: Final = (
    "the workflow waits for something that no step, event or timer can bring; "
    "I/O, threads and futures from elsewhere belong in a step (ctx.do)"
)
NAMED: Final = 10
"""Steps that a warning lists by their names."""


def ended(
    instance: int, at: int, outcome: Outcome | None, rolled_back: RolledBack | None
) -> tuple[Moved, Ended]:
    """Say that it is over: with its output or its failure, or as terminated when there is neither."""
    over = status.TERMINATED
    output: bytes | None = None
    failure: Failure | None = None
    match outcome:
        case Ok():
            over, output = status.COMPLETE, outcome.value
        case Err():
            over, failure = status.ERRORED, outcome.failure
    detail: dict[str, object] = {}
    if rolled_back is not None:
        detail["rollback"] = "complete" if rolled_back.failure is None else "failed"
    return Moved(over, at, failure=failure, detail=detail), Ended(
        instance, at, over, output, failure, rolled_back
    )


def held(why: Exception, task: asyncio.Task[Any]) -> Failure:
    """Say why it is held; code that broke comes to an end that the journal does not know: this is to mend."""
    if task.done() and isinstance(broke := outcome_of(task), Err):
        why = type(why)(f"{why}; it ended with {broke.failure.name}: {broke.failure.message}")
    return failure_of(why)


def unawaited(steps: Sequence[str]) -> str:
    """Say that `run` has returned, and which steps it did not wait for."""
    listed = ", ".join(map(repr, steps[:NAMED]))
    more = f" and {len(steps) - NAMED} more" if len(steps) > NAMED else ""
    return (
        f"`run` has returned, and these steps were started and never awaited: {listed}{more}; "
        "the instance is complete when they are over"
    )
