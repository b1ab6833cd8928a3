"""Exceptions in and out of the journal: class, message, cause and traceback survive."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from wflow.engine import names, values
from wflow.engine.outcome import Err, Failure, Ok
from wflow.errors import NonRetryableError, StepFailed, TooLarge, UnserializableError

if TYPE_CHECKING:
    from wflow.engine.outcome import Outcome

CAUSES: Final = 5
"""How many causes of causes are kept."""
FOREIGN: Final = "attached to a different loop"
"""How asyncio says that a future is of another event loop; it has no class of its own for that."""


def failure_of(error: BaseException, *, depth: int = 0) -> Failure:
    """Turn an exception into what the journal keeps of it."""
    name = _name(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return Failure(
        name=name,
        message=_message(error),
        path=f"{type(error).__module__}:{type(error).__qualname__}",
        trace=trace_of(error),
        args=_arguments(error),
        cause=failure_of(cause, depth=depth + 1) if cause is not None and depth < CAUSES else None,
        retryable=not isinstance(error, NonRetryableError) and name != "NonRetryableError",
    )


def error_of(failure: Failure) -> Exception:
    """Turn what the journal keeps back into an exception, of the same class where that can be imported.

    One whose class wants more than its arguments is made without its __init__, so it may lack attributes. A
    class that is gone, or that says something else when it is made again, comes back as StepFailed.
    """
    error = _remade(failure)
    if failure.cause is not None:
        error.__cause__ = error_of(failure.cause)
    if failure.trace:
        error.add_note(f"when it was first raised:\n{failure.trace.rstrip()}")
    return error


def outcome_of(task: asyncio.Task[Any]) -> Outcome:
    """Turn what a workflow's `run` returned or raised into the instance's outcome."""
    if task.cancelled():
        return Err(failure_of(asyncio.CancelledError("the workflow cancelled itself")))
    error = task.exception()
    if isinstance(error, RuntimeError) and FOREIGN in str(error):
        hint = (
            "workflow code cannot await a future that is no step's; put what it stands for in a step (ctx.do)"
        )
        return Err(failure_of(RuntimeError(f"{hint}: {error}").with_traceback(error.__traceback__)))
    if error is not None:
        return Err(failure_of(error))
    try:
        return Ok(values.encode(task.result()))
    except (UnserializableError, TooLarge) as wrong:
        return Err(failure_of(type(wrong)(f"`run` returned what cannot be kept: {wrong}")))


def trace_of(error: BaseException) -> str:
    """Format a traceback without wflow's own frames, groups with all they hold; the end of a long one."""
    try:
        shown = traceback.TracebackException.from_exception(error)
        _leave_out_own(shown)
        text = "".join(shown.format(chain=False))
    except Exception:  # noqa: BLE001 - the class is the user's, and may fail at anything
        text = f"{type(error).__qualname__}: {_message(error)}\n"
    text = _readable(text)
    return text if len(text) <= names.TRACE_CHARS else f"...{text[-names.TRACE_CHARS :]}"


def _leave_out_own(shown: traceback.TracebackException) -> None:
    own = sys.modules["wflow"].__path__[0] + os.sep
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(own)]
    for one in shown.exceptions or ():
        _leave_out_own(one)


def _name(error: BaseException) -> str:
    match error:
        case NonRetryableError():
            return str(getattr(error, "name", type(error).__qualname__))
        case StepFailed():
            return str(getattr(error, "original", type(error).__qualname__))
    return type(error).__qualname__


def _message(error: BaseException) -> str:
    try:
        return _readable(str(error)[: names.LOG_LINE_CHARS])
    except Exception as wrong:  # noqa: BLE001 - its __str__ is the user's
        return f"(its text cannot be made: {type(wrong).__qualname__})"


def _readable(text: str) -> str:
    """Put a `?` for what is no Unicode, as the journal will: what is seen now must be what a replay shows."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _arguments(error: BaseException) -> bytes:
    """Encode what pickle would call the class with: `args`, but for those that know better, like OSError."""
    try:
        made = error.__reduce__()
        arguments = made[1] if isinstance(made, tuple) and made[0] is type(error) else error.args
        return values.encode(list(arguments), limit=names.LOG_LINE_CHARS)
    except Exception:  # noqa: BLE001 - __reduce__ is the user's, and the arguments may be anything
        return b""


def _remade(failure: Failure) -> Exception:
    try:
        found = _class(failure.path)
        arguments: Any = values.decode(failure.args) if failure.args else [failure.message]
    except Exception:  # noqa: BLE001 - importing the user's module may raise anything
        return StepFailed(failure.message, failure.name)
    for make in (found, found.__new__):
        try:
            error: Exception = make(*arguments) if make is found else make(found, *arguments)
            if _message(error) == failure.message:
                if isinstance(error, NonRetryableError):
                    error.name = failure.name
                return error
        except Exception:  # noqa: BLE001, S112 - a user's class may do anything when it is made; it has a stand-in
            continue
    return StepFailed(failure.message, failure.name)


def _class(path: str) -> type[Exception]:
    module, _, qualname = path.partition(":")
    found: object = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    # These two mean something else to a coroutine, which therefore must not be made to raise them.
    unfit = (StepFailed, StopIteration, StopAsyncIteration)
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, unfit):
        return found
    raise TypeError(path)
