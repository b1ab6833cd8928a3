"""Exceptions in and out of the journal: class, message, attributes, notes, causes and traceback survive."""

from __future__ import annotations

import asyncio
import builtins
import os
import sys
import traceback
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import names, values
from wflow.engine.outcome import Err, Failure, Ok
from wflow.errors import NonRetryableError, StepFailed, TooLarge, UnserializableError
from wflow.runtime import exact

if TYPE_CHECKING:
    from wflow.engine.outcome import Outcome

CAUSES: Final = 5
"""How many causes of causes, and groups in groups, are kept."""
MEMBERS: Final = 32
"""How many exceptions are kept of one: its causes, the members of groups, and theirs."""
NOTES: Final = 16
"""How many notes of an exception are kept, as long as they are no longer than one log line together."""
FOREIGN: Final = "attached to a different loop"
"""How asyncio says that a future is of another event loop; it has no class of its own for that."""
FIRST: Final = "when it was first raised:\n"
"""How the note begins that has an exception's traceback."""


def failure_of(error: BaseException) -> Failure:
    """Turn an exception into what the journal keeps of it; never raises."""
    try:
        return _kept(error, 0, {id(error)})
    except Exception:  # noqa: BLE001 - the class is the user's, and may fail at anything
        return Failure(type(error).__qualname__, message_of(error))


def error_of(failure: Failure) -> Exception:
    """Turn what the journal keeps back into an exception, of the same class where that can be imported.

    No __init__ of the user's is called: the exception gets the arguments and attributes that it had, but for
    those that could not be kept, which a note names. A class that is gone, or that says something else now,
    comes back as StepFailed.
    """
    error = _remade(failure)
    if failure.cause is not None:
        _set(error, "__cause__", error_of(failure.cause))
    notes = list(failure.notes)
    if failure.trace:
        said = "".join(f"{note}\n" for note in notes)
        notes.append(f"{FIRST}{failure.trace.removesuffix(said).rstrip()}")
    if notes:
        vars(error)["__notes__"] = notes
    return error


def outcome_of(task: asyncio.Task[Any]) -> Outcome:
    """Turn what a workflow's `run` returned or raised into the instance's outcome."""
    if task.cancelled():
        return Err(failure_of(asyncio.CancelledError("the workflow cancelled itself")))
    error = task.exception()
    if isinstance(error, RuntimeError) and FOREIGN in message_of(error):
        hint = (
            "workflow code cannot await a future that is no step's; put what it stands for in a step (ctx.do)"
        )
        return Err(failure_of(RuntimeError(f"{hint}: {error}").with_traceback(error.__traceback__)))
    if error is not None:
        return Err(failure_of(error))
    try:
        return Ok(values.encode(task.result()))
    except Exception as wrong:  # noqa: BLE001 - beside what cannot be kept: an object that fails when looked at
        return Err(unkept("`run`", wrong))


def unkept(who: str, wrong: Exception) -> Failure:
    """Make the failure, not to be tried again, of what ``who`` returned and ``wrong`` says cannot be kept."""
    problem = f"{who} returned what cannot be kept: {message_of(wrong)}"
    if isinstance(wrong, TooLarge):
        return msgspec.structs.replace(failure_of(TooLarge(problem)), retryable=False)
    return failure_of(UnserializableError(problem, type(wrong).__name__))


def trace_of(error: BaseException) -> str:
    """Format a traceback without wflow's own frames, groups with all they hold; the end of a long one."""
    try:
        shown = traceback.TracebackException.from_exception(error)
        _leave_out_own(shown)
        text = "".join(shown.format(chain=False))
    except Exception:  # noqa: BLE001 - the class is the user's, and may fail at anything
        text = f"{type(error).__qualname__}: {message_of(error)}\n"
    text = _readable(text)
    return text if len(text) <= names.TRACE_CHARS else f"...{text[-names.TRACE_CHARS :]}"


def _leave_out_own(shown: traceback.TracebackException) -> None:
    own = sys.modules["wflow"].__path__[0] + os.sep
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(own)]
    for one in shown.exceptions or ():
        _leave_out_own(one)


# -- in ------------------------------------------------------------------------------------------------------


def _kept(error: BaseException, depth: int, seen: set[int]) -> Failure:
    name = _name(error)
    kept, lost = _parts(error)
    group = _members(error, depth, seen)
    notes = _notes(error)
    if lost:
        notes.append(names.cut(f"could not be kept: {', '.join(lost)}"))
    if isinstance(error, BaseExceptionGroup) and len(group) < len(error.exceptions):
        notes.append(f"{len(error.exceptions) - len(group)} more exceptions could not be kept")
    final = isinstance(error, NonRetryableError) or name == "NonRetryableError"
    return Failure(
        name=name,
        message=message_of(error),
        path=exact.path_of(type(error)),
        trace=trace_of(error),
        cause=_cause(error, depth, seen),
        retryable=not final and all(member.retryable for member in group),
        kept=kept,
        notes=notes,
        group=group,
    )


def _cause(error: BaseException, depth: int, seen: set[int]) -> Failure | None:
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    if cause is None or not _enters(cause, depth, seen):
        return None
    return _kept(cause, depth + 1, seen)


def _members(error: BaseException, depth: int, seen: set[int]) -> list[Failure]:
    if not isinstance(error, BaseExceptionGroup):
        return []
    return [_kept(one, depth + 1, seen) for one in error.exceptions if _enters(one, depth, seen)]


def _enters(error: BaseException, depth: int, seen: set[int]) -> bool:
    """Tell whether one more exception is kept: each once, since causes can go in a circle."""
    if depth >= CAUSES or id(error) in seen or len(seen) >= MEMBERS:
        return False
    seen.add(id(error))
    return True


def _name(error: BaseException) -> str:
    name = type(error).__qualname__
    match error:
        case NonRetryableError():
            return str(getattr(error, "name", name))
        case StepFailed():
            return str(getattr(error, "original", name))
    return name


def message_of(error: BaseException) -> str:
    """Give an exception's text, whatever its class does when it is asked; a long one is cut."""
    try:
        return names.cut(_readable(str(error)))
    except Exception as wrong:  # noqa: BLE001 - its __str__ is the user's
        return f"(its text cannot be made: {type(wrong).__qualname__})"


def _readable(text: str) -> str:
    """Put a `?` for what is no Unicode, as the journal will: what is seen now must be what a replay shows."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _notes(error: BaseException) -> list[str]:
    found = vars(error).get("__notes__")
    notes = [_readable(note) for note in found if isinstance(note, str)] if isinstance(found, list) else []
    notes = [note for note in notes if not note.startswith(FIRST)][:NOTES]
    lengths = accumulate(map(len, notes))
    return [note for note, length in zip(notes, lengths, strict=True) if length <= names.LOG_LINE_CHARS]


def _parts(error: BaseException) -> tuple[bytes, list[str]]:
    """Encode the arguments and attributes, as far as they can be; name the attributes that cannot be."""
    # The builtin class's own: it knows what it is made of (OSError's file name is not in `args`), and a
    # __reduce__ of the user's may want that his __init__ is called.
    arguments, *rest = _builtin(type(error)).__reduce__(error)[1:]
    state = {name: held for name, held in (rest[0] if rest else {}).items() if name != "__notes__"}
    lost: list[str] = []
    left = names.LOG_LINE_CHARS
    parts: dict[str, bytes] = {}
    if isinstance(error, BaseExceptionGroup):
        arguments = (error.message,)
    for name, held in (("", arguments), *state.items()):
        try:
            parts[name] = exact.encode(held, limit=left)
            left -= len(parts[name])
        except Exception:  # noqa: BLE001 - a value may fail at anything when it is looked at
            lost += [str(name)] if name else []
    return values.encode(parts), lost


# -- out -----------------------------------------------------------------------------------------------------


def _remade(failure: Failure) -> Exception:
    try:
        kind = _class(failure.path)
        error = _made(kind, failure)
        if not failure.group and message_of(error) != failure.message:
            return StepFailed(failure.message, failure.name)
    except Exception:  # noqa: BLE001 - importing the user's module may raise anything
        return StepFailed(failure.message, failure.name)
    if isinstance(error, NonRetryableError):
        vars(error)["name"] = failure.name
    return error


def _made(kind: type[Exception], failure: Failure) -> Exception:
    parts: Any = values.decode(failure.kept) if failure.kept else {}
    if "" in parts:
        arguments = tuple(exact.decode(parts.pop("")))
    elif failure.args:
        arguments = tuple(values.decode(failure.args))  # type: ignore[arg-type]
    else:
        arguments = (failure.message,)
    if not failure.kept and kind.__module__ == "wflow.errors":
        return kind(*arguments)
    if failure.group:
        arguments = (*arguments, [error_of(member) for member in failure.group])
    builtin = _builtin(kind)
    error: Exception = builtin.__new__(kind, *arguments)
    builtin.__init__(error, *arguments)
    for name, raw in parts.items():
        with suppress(Exception):  # a class that is gone costs its attribute
            held = exact.decode(raw)
            if hasattr(builtin, name):
                _set(error, name, held)
            else:
                vars(error)[name] = held
    return error


def _builtin(kind: type) -> Any:
    """Give the class of Python's own that an exception class derives from."""
    return next(base for base in kind.__mro__ if vars(builtins).get(base.__name__) is base)


def _set(error: BaseException, name: str, value: object) -> None:
    """Set an attribute of Python's own, whatever the class does when one is set."""
    BaseException.__setattr__(error, name, value)


def _class(path: str) -> type[Exception]:
    found = exact.find(path)
    # These mean something else to a coroutine, which therefore must not be made to raise them.
    unfit = (StepFailed, StopIteration, StopAsyncIteration)
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, unfit):
        return found
    raise TypeError(path)
