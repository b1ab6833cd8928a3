"""Exceptions in and out of the journal: class, message, cause and traceback survive."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import Final

from wflow.engine import names, values
from wflow.engine.outcome import Failure
from wflow.errors import NonRetryableError, StepFailed, TooLarge, UnserializableError

CAUSES: Final = 5
"""How many causes of causes are kept."""


def failure_of(error: BaseException, *, depth: int = 0) -> Failure:
    """Turn an exception into what the journal keeps of it."""
    name = error.name if isinstance(error, NonRetryableError) else type(error).__qualname__
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return Failure(
        name=name,
        message=str(error)[: names.LOG_LINE_CHARS],
        path=f"{type(error).__module__}:{type(error).__qualname__}",
        trace=trace_of(error),
        args=_arguments(error),
        cause=failure_of(cause, depth=depth + 1) if cause is not None and depth < CAUSES else None,
        retryable=not isinstance(error, NonRetryableError) and name != "NonRetryableError",
    )


def error_of(failure: Failure) -> Exception:
    """Turn what the journal keeps back into an exception, of the same class where that can be imported.

    A class that is gone, or that cannot be made again from its arguments, comes back as StepFailed.
    """
    error = _remade(failure)
    if failure.cause is not None:
        error.__cause__ = error_of(failure.cause)
    if failure.trace:
        error.add_note(f"when it was first raised:\n{failure.trace.rstrip()}")
    return error


def trace_of(error: BaseException) -> str:
    """Format a traceback without wflow's own frames; the end of a long one."""
    own = sys.modules["wflow"].__path__[0]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    text = "".join(["Traceback (most recent call last):\n", *lines])
    return text if len(text) <= names.TRACE_CHARS else f"...{text[-names.TRACE_CHARS :]}"


def _arguments(error: BaseException) -> bytes:
    try:
        return values.encode(list(error.args), limit=names.LOG_LINE_CHARS)
    except (UnserializableError, TooLarge):
        return b""


def _remade(failure: Failure) -> Exception:
    module, _, qualname = failure.path.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
        if isinstance(found, type) and issubclass(found, NonRetryableError):
            return found(failure.message, failure.name)
        if isinstance(found, type) and issubclass(found, Exception) and failure.args:
            arguments = values.decode(failure.args)
            assert isinstance(arguments, list)
            error = found(*arguments)
            if str(error) == failure.message:
                return error
    except Exception:  # noqa: BLE001, S110 - a user's class may do anything when it is made; it has a stand-in
        pass
    return StepFailed(failure.message, failure.name)
