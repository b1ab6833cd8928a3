"""What an answer of the API holds, in the shape that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from wflow.errors import RunnerError

if TYPE_CHECKING:
    from wflow.wire.envelope import Envelope

Shown = dict[str, Any]
Many = list[Shown]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page of a list, with what the API says of it: count, total_count, cursor or page."""

    items: Many
    info: Shown


def one(answer: Envelope) -> Shown:
    """Take one thing; raises RunnerError for anything else, as the others do."""
    return _as(answer.result, Shown)


def many(answer: Envelope) -> Many:
    """Take several things."""
    return _as(answer.result, Many)


def listed(answer: Envelope) -> Listed:
    """Take a page."""
    info = answer.result_info
    return Listed(items=many(answer), info=info if isinstance(info, dict) else {})


def listed_in(answer: Envelope, key: str) -> Listed:
    """Take a page that lies under ``key``, as Cloudflare has it for versions and deployments."""
    info = answer.result_info
    items = _as(one(answer).get(key), Many)
    return Listed(items=items, info=info if isinstance(info, dict) else {})


def _as(result: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(result, kind)
    except msgspec.ValidationError as wrong:
        raise RunnerError(f"the runner's answer is not of the expected shape: {wrong}") from None
