"""Handlers get as many arguments as they take: `fetch(self)`, `on_fetch(request, env, ctx)`."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

_rooms: WeakKeyDictionary[FunctionType, int] = WeakKeyDictionary()
"""By the functions of methods: each instance asks the same of its class."""


def fitting(function: Callable[..., object], *given: Any) -> tuple[Any, ...]:
    """Leave out those of ``given``, from the end, for which ``function`` has no place."""
    known = getattr(function, "__func__", None)
    if not isinstance(known, FunctionType):
        return given[: _room(function)]
    room = _rooms.get(known)
    if room is None:
        room = _rooms[known] = _room(function)
    return given[:room]


def _room(function: Callable[..., object]) -> int:
    """Tell how many arguments it takes by their place."""
    room = 0
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            return sys.maxsize
        room += parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    return room
