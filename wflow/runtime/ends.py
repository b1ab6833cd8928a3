"""How an instance ends, as what is said of it: facts, changes and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import causes, status
from wflow.engine.changes import Ended
from wflow.engine.divergence import Divergence, error
from wflow.engine.facts import Moved
from wflow.engine.outcome import Err, Ok, RolledBack
from wflow.runtime import site
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


def held(
    why: Exception, task: asyncio.Task[Any], address: tuple[str, str]
) -> tuple[Failure, dict[str, object]]:
    """Say why the instance ``address`` is held, as its failure, and what its record of that has beside it.

    Code that broke comes to an end that the journal does not know: this is to mend.
    """
    over = ""
    if task.done():
        match outcome_of(task):
            case Err(broke):
                over = f"; it ended with {broke.name}: {broke.message}"
            case Ok():
                over = "; `run` has returned"
    divergence = getattr(why, "divergence", None)
    if not isinstance(divergence, Divergence):
        return failure_of(type(why)(f"{why}{over}") if over else why), {}
    what = str(why).partition("\n")[0] + over
    if divergence.recorded is not None:
        divergence = causes.reconsidered(divergence, site.standing(divergence.recorded.site))
    divergence = causes.addressed(divergence, *address)
    failure = msgspec.structs.replace(
        failure_of(error(divergence, what)), trace=""
    )  # it is all in the message
    return failure, {"divergence": msgspec.to_builtins(divergence)}


def unawaited(steps: Sequence[str]) -> str:
    """Say that `run` has returned, and which steps it did not wait for."""
    listed = ", ".join(map(repr, steps[:NAMED]))
    more = f" and {len(steps) - NAMED} more" if len(steps) > NAMED else ""
    return (
        f"`run` has returned, and these steps were started and never awaited: {listed}{more}; "
        "the instance is complete when they are over"
    )
