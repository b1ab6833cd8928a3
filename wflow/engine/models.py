"""Instances of classes that declare their fields, laid open and made again: dataclasses, Structs, models.

Nothing here imports pydantic: a model knows how to lay itself open, and who has one has pydantic.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final

import msgspec

NONE: Final = object()
"""Said of what is no such instance, or has no text."""


def opened(value: Any) -> object:
    """Give the fields of an instance under the names that its class reads them by; NONE when it has none.

    Items are what the instance holds, not yet plain themselves. A Struct that is like an array gives a list,
    a pydantic RootModel its root. Raises whatever the serializers of a pydantic model raise.
    """
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if is_pydantic(kind) and hasattr(kind, "model_dump"):
        # Not what it computes, which it would not take back; and no warning about a value of another type:
        # whoever wants the type back hears of it then.
        return value.model_dump(round_trip=True, warnings=False)
    if dataclasses.is_dataclass(kind):
        held = ((field.name, getattr(value, field.name, NONE)) for field in dataclasses.fields(kind))
        return {name: item for name, item in held if item is not NONE}
    return NONE


def has_fields(kind: type) -> bool:
    """Tell whether a class declares its fields."""
    return issubclass(kind, msgspec.Struct) or is_pydantic(kind) or dataclasses.is_dataclass(kind)


def is_pydantic(kind: type) -> bool:
    """Tell whether a class is a pydantic model or a pydantic dataclass."""
    return hasattr(kind, "__pydantic_validator__")


def text_of(value: object) -> object:
    """Write what a pydantic model may hold and we have no type for (a path, a URL) as pydantic does.

    NONE when pydantic cannot, and for a secret, of which it would write stars.
    """
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(type(value), "get_secret_value"):
        return NONE
    try:
        return sys.modules["pydantic_core"].to_jsonable_python(value)
    except Exception:  # noqa: BLE001 - it says what cannot be kept better than pydantic does
        return NONE


def made(kind: Any, held: dict[str, object]) -> object:
    """Make a dataclass of its fields, those too that its __init__ does not take.

    An __init__ that wants other things than the fields, because it is the user's own or has an InitVar, is
    not called at all. Raises whatever the __init__ or the __post_init__ raises.
    """
    needs, takes = _init_of(kind)
    if needs <= held.keys():
        instance = kind(**{name: item for name, item in held.items() if name in takes})
        held = {name: item for name, item in held.items() if name not in takes}
    else:
        instance = object.__new__(kind)
        held = _defaults(kind) | held
    for name, item in held.items():
        object.__setattr__(instance, name, item)  # it may be frozen
    return instance


@lru_cache(maxsize=1_024)
def _init_of(kind: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Name what a dataclass's __init__ cannot do without, and which fields it takes."""
    takes = frozenset(field.name for field in dataclasses.fields(kind) if field.init)
    owner = next(base for base in kind.__mro__ if "__init__" in vars(base))
    generated = vars(owner).get("__dataclass_params__")
    if generated is None or not generated.init:
        return frozenset({"what only its author knows"}), takes
    parameters = inspect.signature(kind).parameters.values()
    return frozenset(one.name for one in parameters if one.default is one.empty), takes


def _defaults(kind: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found


def _struct(value: msgspec.Struct) -> object:
    config = value.__struct_config__
    fields = msgspec.structs.fields(value)
    if config.array_like:
        tag = [] if config.tag is None else [config.tag]
        return [*tag, *(getattr(value, field.name) for field in fields)]
    held = {field.encode_name: getattr(value, field.name) for field in fields}
    tagged = {} if config.tag is None else {str(config.tag_field): config.tag}
    return tagged | {name: item for name, item in held.items() if item is not msgspec.UNSET}
