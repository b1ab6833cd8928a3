"""Annotations as the types that they name; what cannot be resolved is Any, and stops nothing."""

from __future__ import annotations

import inspect
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping

_fields: WeakKeyDictionary[type, dict[str, object]] = WeakKeyDictionary()


def resolved(annotation: object, names: dict[str, Any], own: Mapping[str, object]) -> object:
    """Give the type that an annotation stands for, where ``own`` names go before ``names``.

    Each annotation is looked at alone, so that a name which is imported for type checkers only costs its own
    type and no other.
    """
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, names, own, include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - an annotation is any expression of the user's
        return Any


def fields(kind: type) -> Mapping[str, object]:
    """Give the types of a class's annotated fields, inherited ones too."""
    found = _fields.get(kind)
    if found is None:
        found = _fields[kind] = {}
        for base in reversed(kind.__mro__):
            module = sys.modules.get(base.__module__)
            inside = {**vars(base), base.__name__: base}
            for name, annotation in inspect.get_annotations(base).items():
                # The module's names go first: a field may be called what a type is called, `date: date`.
                found[name] = resolved(annotation, inside, {} if module is None else vars(module))
    return found
