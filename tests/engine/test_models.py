from __future__ import annotations

from dataclasses import dataclass, field

from wflow.engine import models


@dataclass(slots=True)
class Slotted:
    a: int
    b: int = field(init=False)


def test_what_has_no_fields_has_nothing_to_open():
    assert models.opened(object()) is models.NONE
    assert models.opened(Slotted) is models.NONE


def test_a_field_that_was_never_set_is_left_out():
    assert models.opened(Slotted(1)) == {"a": 1}
    assert models.made(Slotted, {"a": 1, "b": 2}).b == 2  # type: ignore[attr-defined]


def test_a_class_with_declared_fields_is_told_from_any_other():
    assert models.has_fields(Slotted)
    assert not models.has_fields(dict)
