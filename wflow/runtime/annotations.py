"""What user code declares of its values: the types of what a step's function gives and of the payload."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections import abc
from types import FunctionType, NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin
from weakref import WeakKeyDictionary

from wflow.engine import hints
from wflow.errors import InvalidInput
from wflow.runtime.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable

_UNREAD: Final = object()
_AWAITED: Final = (abc.Awaitable, abc.Coroutine, asyncio.Future, asyncio.Task)

_results: WeakKeyDictionary[FunctionType, object] = WeakKeyDictionary()
_payloads: WeakKeyDictionary[FunctionType, object] = WeakKeyDictionary()


def returned(step: str, function: Callable[..., object], returns: object) -> object:
    """Give the type of what a step gives: what is said of it, or else what its function's annotation says.

    None when neither says anything, or the annotation cannot be resolved; a class that is called gives
    itself. Raises InvalidInput for a type in quotes, which nobody can resolve here.
    """
    if isinstance(returns, str):
        raise InvalidInput(f"step {step!r}: returns must be a type, not the text {returns!r}")
    return _result_of(function) if returns is None else returns


def payload_of(run: object) -> object:
    """Give the type of the payload that ``run(self, event: Event[Order], ctx)`` declares, or None."""
    if not isinstance(run, FunctionType):
        return None
    known = _payloads.get(run, _UNREAD)
    if known is _UNREAD:
        event = [*inspect.signature(run).parameters][1:2]
        declared = _resolved(run, event[0]) if event else None
        known = _payloads[run] = _only(get_args(declared)) if get_origin(declared) is Event else None
    return known


def _result_of(function: Any) -> object:
    if type(function) is not FunctionType:
        function = _inner(function)
        if not isinstance(function, FunctionType):
            return function
    known = _results.get(function, _UNREAD)
    if known is _UNREAD:
        declared = _resolved(function, "return")
        if (get_origin(declared) or declared) in _AWAITED:
            declared = _only(get_args(declared)[-1:])
        known = _results[function] = None if declared is NoneType else declared
    return known


def _inner(function: Any) -> FunctionType | type | None:
    """Find the function that says what something that can be called gives; a class gives itself."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        return function
    if inspect.ismethod(function):
        function = function.__func__
    if not isinstance(function, FunctionType):
        function = getattr(function, "__wrapped__", getattr(type(function), "__call__", None))  # noqa: B004
    return function if isinstance(function, FunctionType) else None


def _only(arguments: tuple[object, ...]) -> object:
    return arguments[0] if arguments else None


def _resolved(function: FunctionType, name: str) -> object:
    """Resolve one annotation of a function with the names that it could use itself; None when it has none."""
    annotation = inspect.get_annotations(function).get(name)
    if not isinstance(annotation, str):
        return annotation
    inner: Any = inspect.unwrap(function)
    own: dict[str, object] = {}
    for variable, cell in zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True):
        try:
            own[variable] = cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    return hints.resolved(annotation, inner.__globals__, own)
