"""How instances that do not fit a version are shown: each with journal against code, the many as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflow.cli import output

if TYPE_CHECKING:
    from collections.abc import Mapping


def misfit(one: Mapping[str, Any]) -> list[str]:
    """Say why an instance does not fit: its id and what is wrong in a line, what is known in those below."""
    first, *more = why(one)
    return [f"{one['id']}: {first}", *more]


def why(one: Mapping[str, Any]) -> list[str]:
    """Say the same without the id."""
    from wflow.wire import fit

    return [output.printable(line) for line in fit.why(one)]
