"""Handlers get as many arguments as they take: `fetch(self)`, `on_fetch(request, env, ctx)`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def fitting(function: Callable[..., object], *given: Any) -> tuple[Any, ...]:
    """Leave out those of ``given``, from the end, for which ``function`` has no place."""
    room = 0
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            return given
        room += parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    return given[:room]
