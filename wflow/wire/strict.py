"""Reading JSON strictly: whatever is wrong is a HistoryError with its path in the document."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from wflow.engine import names
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

INT64: Final = range(-(2**63), 2**64)
"""The whole numbers that a journal can hold."""


class HistoryError(UsageError):
    """A history cannot be read; the message begins with the path inside it."""

    def __init__(self, path: str, problem: str, *, hint: str | None = None) -> None:
        """Say where in the document, and what is wrong there."""
        super().__init__(f"{path}: {problem}" if path else problem, hint=hint)


def text(given: object, path: str) -> str:
    """Read a text."""
    if not isinstance(given, str):
        raise HistoryError(path, f"a text is expected, not {shown(given)}")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise HistoryError(path, "the text is no Unicode: it has a lone surrogate") from None
    return given


def whole(given: object, path: str, *, at_least: int = INT64.start) -> int:
    """Read a whole number of 64 bits."""
    if type(given) is not int or given not in INT64 or given < at_least:
        least = "" if at_least == INT64.start else f" from {at_least} on"
        raise HistoryError(path, f"a whole number{least} is expected, not {shown(given)}")
    return given


def mapping(given: object, path: str) -> dict[str, Any]:
    """Read an object."""
    if not isinstance(given, dict):
        raise HistoryError(path, f"an object is expected, not {shown(given)}")
    return given


def listing(given: object, path: str, *, at_most: int) -> list[Any]:
    """Read an array."""
    if not isinstance(given, list):
        raise HistoryError(path, f"an array is expected, not {shown(given)}")
    if len(given) > at_most:
        raise HistoryError(path, f"it has {len(given):,} items; the limit is {at_most:,}")
    return given


def raw_bytes(given: object, path: str) -> bytes:
    """Read bytes from their base64."""
    try:
        return base64.b64decode(text(given, path).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise HistoryError(path, "this is no base64") from None


def digits(given: object, path: str) -> bytes:
    """Read bytes from hex digits."""
    try:
        return bytes.fromhex(text(given, path))
    except ValueError:
        raise HistoryError(path, "hex digits are expected") from None


def only(given: Mapping[str, object], known: set[str], path: str) -> None:
    """Refuse a field that is not known: a later release may mean something by it."""
    for name in given:
        if name not in known:
            raise HistoryError(
                f"{path}.{name}" if path else name,
                "this field is not known",
                hint="it may be written by a later release of wflow than this one",
            )


def shown(given: object) -> str:
    """Name what was given instead, for an error."""
    match given:
        case None:
            return "nothing"
        case dict():
            return "an object"
        case list():
            return "an array"
    return names.shown(given)
