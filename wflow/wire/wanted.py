"""The options of a new instance, read with their rules, whoever gives them: the binding, or the HTTP API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from wflow.engine.durations import milliseconds
from wflow.engine.names import shown
from wflow.errors import InvalidInput

TAGS: Final = 10
"""Tags of one instance at the most."""
TAG_CHARS: Final = 64
"""Characters of one tag at the most."""
FIRST: Final = 1
"""The priority before all others."""
LAST: Final = 5
"""The priority after all others."""
PRIORITY: Final = 3
"""The priority of those that are given none."""

_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def tags(given: object) -> tuple[str, ...]:
    """Check an instance's tags; one that comes twice is kept once. Raises InvalidInput."""
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise InvalidInput(f"`tags` must be a list of texts, not {shown(given)}")
    kept = tuple(dict.fromkeys(map(tag, given)))
    if len(kept) > TAGS:
        raise InvalidInput(f"an instance has at most {TAGS} tags, not {len(kept)}")
    return kept


def tag(given: object) -> str:
    """Check one tag; raises InvalidInput."""
    if isinstance(given, str) and 0 < len(given) <= TAG_CHARS and not _UNREADABLE.search(given):
        return given
    raise InvalidInput(f"a tag is 1-{TAG_CHARS} characters without control characters; got {shown(given)}")


def priority(given: object) -> int:
    """Check which of those that wait goes first: 1 before all others, 5 after them. Raises InvalidInput."""
    if type(given) is int and FIRST <= given <= LAST:
        return given
    raise InvalidInput(
        f"`priority` is a whole number from {FIRST} (first) to {LAST} (last), not {shown(given)}"
    )


def retention(given: object, where: str, keys: tuple[str, str]) -> tuple[int | None, int | None]:
    """Read for how many milliseconds an instance is kept once it is over: complete, or else errored.

    ``keys`` are what the two are called in the mapping ``given``, ``where`` is what that is called; None is
    the workflow's own retention. Raises InvalidInput, for more than 365 days too.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput(f"`{where}` must have {' and '.join(keys)}, not be {shown(given)}")
    if unknown := [key for key in given if key not in keys]:
        raise InvalidInput(f"`{where}` has no key {shown(unknown[0])}; it takes {' and '.join(keys)}")
    success, error = (_kept_ms(given.get(key), f"{where}.{key}") for key in keys)
    return success, error


def _kept_ms(given: object, where: str) -> int | None:
    if given is None:
        return None
    try:
        return milliseconds(given)
    except ValueError as wrong:
        raise InvalidInput(f"`{where}`: {wrong}") from None
