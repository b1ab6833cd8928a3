"""What a step gives, into the journal and from there to `run`, as the type that is declared for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.engine import models, typed, values
from wflow.engine.outcome import Err, Ok
from wflow.errors import MismatchError, NonDeterminismError
from wflow.runtime import event
from wflow.runtime.failures import failure_of, unkept

if TYPE_CHECKING:
    from wflow.engine.outcome import Outcome
    from wflow.engine.seen import Seen


_NOTHING: Final = Ok()


def kept(value: object, step: str, returns: object) -> Outcome:
    """Turn what the function of the step ``step`` returned into its outcome.

    That is an error, not to be tried again, when the value cannot be kept or does not fit ``returns``; for
    None everything fits.
    """
    if value is None and returns is None:
        return _NOTHING
    try:
        raw = values.encode(value)
    except Exception as wrong:  # noqa: BLE001 - beside what cannot be kept: an object that fails when looked at
        return Err(unkept(f"step {step!r}", wrong))
    if returns is not None:
        try:
            made = typed.restore(values.decode(raw), returns)
        except MismatchError as wrong:
            return _misfit(f"step {step!r} returned what does not fit {typed.text(returns)}: {wrong}", wrong)
        if type(made) is not type(value) and isinstance(value, type(made)) and models.has_fields(type(made)):
            given, back = typed.text(type(value)), typed.text(type(made))
            problem = f"returned a {given}, which would come back as a {back}; declare it: returns={given}"
            return _misfit(f"step {step!r} {problem}", None)
    return Ok(raw)


def read(seen: Seen, raw: bytes, returns: object) -> object:
    """Turn the recorded outcome of a step into what the code gets.

    Raises NonDeterminismError for a value that does not fit ``returns``: the code was changed since.
    """
    if seen.event is not None:
        return event.arrived(seen.event)
    value = None if raw == values.NONE else values.decode(raw)
    if returns is None:
        return value
    try:
        return typed.restore(value, returns)
    except MismatchError as wrong:
        problem = f"does not fit {typed.text(returns)}, which the code declares now: {wrong}"
        raise NonDeterminismError(f"the value that step {seen.key!r} is recorded with {problem}") from wrong


def _misfit(problem: str, wrong: MismatchError | None) -> Err:
    error = MismatchError(problem)
    error.__cause__ = None if wrong is None else wrong.__cause__
    return Err(failure_of(error))
