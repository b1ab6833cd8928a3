"""Functions of the user's that get, by name, what they take of what is there: delays and rollbacks."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from wflow.engine import names
from wflow.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def taken(function: Callable[..., object], offered: Sequence[str], *, what: str) -> tuple[str, ...]:
    """Say which of ``offered`` a function takes.

    Raises InvalidInput, calling the function ``what``, for one that wants anything else.
    """
    if not callable(function):
        raise InvalidInput(f"{what} must be a function, not {names.shown(function)}")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not tell
        return ()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return tuple(offered)
    wanted = []
    for each in parameters:
        by_name = each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        if by_name and each.name in offered:
            wanted.append(each.name)
        elif each.default is each.empty and each.kind is not each.VAR_POSITIONAL:
            raise InvalidInput(
                f"{what} takes a parameter {each.name!r}; it can have {', '.join(offered)}, by these names"
            )
    return tuple(wanted)


def picked(wanted: Sequence[str], there: Mapping[str, Any]) -> dict[str, Any]:
    """Take of what is there what is wanted."""
    return {name: there[name] for name in wanted}
