"""A case that fails, as small as it can be while it breaks the same rule, and shown as a test to keep."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any

from tests.simulation.bodies import Part, Seq
from tests.simulation.running import judged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.schedules import Case

TRIES = 6_000
"""Cases that are tried; each takes a few milliseconds."""


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Give a case none of whose smaller ones fails, as far as so many tries find it."""
    tries = 0
    going = True
    while going:
        going = False
        for smaller in _smaller(case):
            tries += 1
            if tries > TRIES:
                return case
            if fails(smaller):
                case, going = smaller, True
                break
    return case


def by_the_same_rule(rule: str) -> Callable[[Case], bool]:
    """Tell of cases whether they break a rule."""

    def fails(case: Case) -> bool:
        try:
            return any(broken == rule for broken, _ in judged(case)[1])
        except Exception as error:  # noqa: BLE001 - a case that cannot be played may be what is looked for
            return rule == type(error).__name__

    return fails


def as_a_test(case: Case, rule: str, what: str) -> str:
    """Show a case as a test to keep."""
    name = "".join(letter if letter.isalnum() else "_" for letter in rule)
    return f"""
# {what}
def test_{name}():
    _, wrong = judged({case!r})
    assert wrong == []
"""


def _smaller(value: Any) -> Iterator[Any]:
    """Give what is a little smaller: parts for the whole, fewer parts, plain settings, smaller parts."""
    for one in fields(value):
        held = getattr(value, one.name)
        if isinstance(held, tuple) and one.name != "items":
            if held != one.default is not MISSING:
                yield replace(value, **{one.name: one.default})
            for n in range(len(held)):
                if len(held) > 1 or one.name not in ("link", "store"):
                    yield replace(value, **{one.name: held[:n] + held[n + 1 :]})
        elif one.default is not MISSING and held != one.default and not isinstance(held, (tuple, Part)):
            yield replace(value, **{one.name: one.default})
    yield from _simpler_numbers(value)
    for one in fields(value):
        held = getattr(value, one.name)
        if isinstance(held, Part):
            yield from (replace(value, **{one.name: other}) for other in _instead(held))
        elif isinstance(held, tuple):
            for n, item in enumerate(held):
                if isinstance(item, Part):
                    for other in _instead(item):
                        yield replace(value, **{one.name: (*held[:n], other, *held[n + 1 :])})


def _instead(part: Part) -> Iterator[Part]:
    yield from part.parts
    if part.parts:
        yield Seq()
    items = getattr(part, "items", None)
    if isinstance(items, tuple) and len(items) > 1 and type(part).__name__ not in ("Try", "Guard"):
        for n in range(len(items)):
            yield replace(part, items=items[:n] + items[n + 1 :])  # type: ignore[type-var]
    yield from _smaller(part)


def _simpler_numbers(value: Any) -> Iterator[Any]:
    for one in fields(value):
        held = getattr(value, one.name)
        if isinstance(held, int) and not isinstance(held, bool) and held > 1 and one.name != "timeout":
            yield replace(value, **{one.name: held // 2})
            if one.name == "commit":
                yield replace(value, commit=held - 1)
