"""ctx.poll: a function that is called every so often until it has something to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.engine import names, values
from wflow.engine.outcome import NOT_YET
from wflow.engine.steps.poll import Poll
from wflow.errors import InvalidInput
from wflow.runtime import moments
from wflow.runtime import settings as reading
from wflow.runtime.annotations import returned
from wflow.runtime.attempt import Body
from wflow.runtime.step_context import wants_context

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from datetime import timedelta

    from wflow.runtime.loop import Owner

CHECKS: Final = 100_000
"""As many as may fit into a poll's time: the journal, which a turn may have to read, holds them all."""


def polled(
    turn: Owner,
    name: str,
    check: Callable[..., object],
    arguments: Sequence[object],
    *,
    every: float | str | timedelta,
    timeout: float | str | timedelta = names.EVENT_WAIT_MS,
    retries: Mapping[str, object] | None = None,
    returns: object = None,
    formerly: str | None = None,
) -> Coroutine[Any, Any, Any]:
    """Give the coroutine that polls; see `Context.poll`. Raises InvalidInput for what cannot be."""
    names.step_name(name)
    if not callable(check):
        raise InvalidInput(
            f"step {name!r}: the second argument must be a function, not {names.shown(check)}",
            hint="ctx.poll(name, check, *arguments, every=..., timeout=...)",
        )
    every_ms, timeout_ms = moments.pause(name, "every", every), moments.pause(name, "timeout", timeout)
    checks = -(-timeout_ms // every_ms)
    if checks > CHECKS:
        raise InvalidInput(
            f"step {name!r}: a check every {every_ms} ms for {timeout_ms} ms would be {checks:,} checks; "
            f"the limit is {CHECKS:,}",
            hint="check less often, or wait for an event (ctx.wait_for_event)",
        )
    read = reading.settings(name, {} if retries is None else {"retries": retries})
    body = Body(
        check,
        arguments,
        takes_context=wants_context(check, len(arguments)),
        returns=returned(name, check, returns),
        delay=read.delay,
        pending=NOT_YET,
    )
    digest = values.digest_of(tuple(arguments)) if arguments else b""
    poll = Poll(name, every_ms, timeout_ms, read.retry, read.delay is not None)
    return turn.step(poll, body, digest, formerly=reading.former(name, formerly))
