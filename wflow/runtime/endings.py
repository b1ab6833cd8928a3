"""What code comes to at the end of a journal, compared with the end that the journal has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from wflow.engine import values
from wflow.engine.divergence import Divergence, Point, error
from wflow.engine.outcome import Err, Ok
from wflow.engine.status import COMPLETE, ERRORED, TERMINATED
from wflow.errors import NonDeterminismError

if TYPE_CHECKING:
    from wflow.engine.facts import Moved
    from wflow.engine.outcome import Failure, Outcome

SHOWN_CHARS: Final = 200
"""How much of an output or a message is shown."""


def difference(
    end: Moved, given: Outcome | None, *, over: bool, beyond: Point | None = None
) -> NonDeterminismError | None:
    """Say how what the code came to differs from ``end``, in which the journal ended; None when it does not.

    ``over`` says whether the code came to an end at all, ``given`` how (None: it was cancelled), ``beyond``
    is the first step that it asked for and the journal does not have. What the journal's end does not tell,
    an output or a failure, is not compared; an instance that was terminated may have been anywhere.
    """
    if end.status == TERMINATED:
        return None
    if not over:
        return _goes_on(end, beyond)
    match given:
        case Ok(raw) if end.status == COMPLETE:
            if end.output is None or end.output == raw:
                return None
            return NonDeterminismError(
                f"the instance gave {_shown(end.output)}; the code gives {_shown(raw)}"
            )
        case Err(failure) if end.status == ERRORED:
            before = end.failure
            if before is None or (before.name, before.message) == (failure.name, failure.message):
                return None
    return NonDeterminismError(f"the instance {_came(end)}; the code {_said(given)}")


def _goes_on(end: Moved, beyond: Point | None) -> NonDeterminismError:
    """Say that the code is not over yet."""
    if beyond is None:
        return NonDeterminismError(f"the instance {_came(end)}; the code waits for something")
    divergence = Divergence(
        cause="added",
        guess=f"{beyond.key!r} is new, and comes after all that the instance did",
        requested=beyond,
        ways=["leave the instance as it is: it is over", "restart it, if it is to do that, too"],
    )
    return error(divergence, f"the instance {_came(end)}; the code goes on with step {beyond.key!r}")


def _came(end: Moved) -> str:
    if end.status == COMPLETE:
        return "came to its end"
    return "failed" if end.failure is None else f"failed with {_error(end.failure)}"


def _said(given: Outcome | None) -> str:
    match given:
        case Ok():
            return "comes to its end"
        case Err(failure):
            return f"fails with {_error(failure)}"
    return "is cancelled"


def _error(failure: Failure) -> str:
    return _cut(f"{failure.name}: {failure.message}" if failure.message else failure.name)


def _shown(raw: bytes) -> str:
    return _cut(json.dumps(values.json_ready(values.decode(raw)), ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
