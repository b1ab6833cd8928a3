"""The concurrency key of an instance: what its params have where its workflow says."""

from __future__ import annotations

from typing import Final

from wflow.engine import values
from wflow.engine.names import shown
from wflow.errors import InvalidInput

KEY_CHARS: Final = 256
"""Characters of a concurrency key."""


def key(way: str, params: bytes) -> str | None:
    """Read the key at the dotted ``way`` in encoded params, as text; None when there is nothing, or null.

    Raises InvalidInput for what is no text, number or boolean, or is too long.
    """
    found = values.json_ready(values.decode(params))
    done: list[str] = []
    for name in way.split("."):
        if found is None:
            return None
        if not isinstance(found, dict):
            where = ".".join(["params", *done])
            raise _wrong(way, f"`{where}` is {shown(found)}, and so has no `{name}`")
        found = found.get(name)
        done.append(name)
    text = _text(way, found)
    if text is not None and len(text) > KEY_CHARS:
        raise _wrong(way, f"it has {len(text):,} characters; the limit is {KEY_CHARS}")
    return text


def _text(way: str, found: object) -> str | None:
    """Write a scalar so that those that JSON cannot tell apart are one."""
    match found:
        case None | str():
            return found
        case bool():
            return "true" if found else "false"
        case int():
            return str(found)
        case float():
            return str(int(found)) if found.is_integer() else repr(found)
    raise _wrong(way, f"it is {shown(found)}; a key is text, a number or a boolean")


def _wrong(way: str, problem: str) -> InvalidInput:
    return InvalidInput(
        f"no concurrency key at `params.{way}`: {problem}", hint="wflow.toml says so: `concurrency.key`"
    )
