"""What JSON Schema can say of a rule: its type, its range, its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Shape: TypeAlias = dict[str, Any]

R = TypeVar("R", bound="Callable[..., object]")

_said: dict[object, Shape] = {}


def shaped(**shape: object) -> Callable[[R], R]:
    """Say of a rule what values it takes, as far as JSON Schema can."""

    def note(rule: R) -> R:
        _said[rule] = shape
        return rule

    return note


def of(rule: object) -> Shape:
    """Give what was said of a rule; of one without a word any value is good."""
    return _said.get(rule, {})
