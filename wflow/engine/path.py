"""Where in a value: the way there from its top, and how a message writes it."""

from __future__ import annotations

from typing import Final

from wflow.engine import names

Path = tuple["Path", object] | None
"""The way so far, and the last key. Linked, as it is made for each item and read for few."""

INSIDE: Final = object()
"""The key of a set's member."""
MODEL: Final = object()
"""No key: what follows are the fields of a pydantic model."""


def written(path: Path, root: str) -> str:
    """Write a path as code would, such as ``value['rows'][3]``; a set's member is ``{...}``."""
    steps: list[str] = []
    while path is not None:
        path, key = path
        if key is not MODEL:
            steps.append("{...}" if key is INSIDE else f"[{names.shown(key)}]")
    return root + "".join(reversed(steps))


def within_model(path: Path) -> bool:
    """Tell whether the way leads through a pydantic model."""
    while path is not None:
        path, key = path
        if key is MODEL:
            return True
    return False
