from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from wflow.engine import hints

if TYPE_CHECKING:
    from decimal import Decimal  # noqa: TC004 - as users have it


@dataclass
class Parent:
    date: date | None = None
    price: Decimal = None  # type: ignore[assignment]
    child: Child | None = None


@dataclass
class Child(Parent):
    date: date
    parent: Parent | None = None
    broken: 1 / 0 = 3  # type: ignore[valid-type]


def test_each_field_has_its_type_and_one_that_cannot_be_found_is_anything():
    assert hints.fields(Parent) == {"date": date | None, "price": Any, "child": Child | None}
    assert hints.fields(Child) == {
        **hints.fields(Parent),
        "date": date,
        "parent": Parent | None,
        "broken": Any,
    }


def test_a_local_class_may_name_itself():
    class Node:
        left: Node | None
        names: list[str]

    assert hints.fields(Node) == {"left": Node | None, "names": list[str]}
    assert hints.fields(Node) is hints.fields(Node)


def test_a_class_whose_module_is_gone_knows_the_builtins():
    made = type("Made", (), {"__annotations__": {"n": "int", "d": "date"}, "__module__": "gone"})
    assert hints.fields(made) == {"n": int, "d": Any}


def test_an_annotation_is_resolved_with_the_names_at_hand():
    assert hints.resolved("list[Mine]", {"Mine": int}, {}) == list[int]
    assert hints.resolved("Mine", {"Mine": int}, {"Mine": str}) is str
    assert hints.resolved("Yours", {}, {}) is Any
