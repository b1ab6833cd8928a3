"""Decoded values back into the types that user code declares for them.

``restore(decode(encode(value)), type(value))`` is the value again, for every type that can be kept. What
comes from outside as JSON fits too: text for dates, Decimals, UUIDs and (as base64) bytes, lists for tuples
and sets, and for a dict's numeric keys the text that JSON makes of them. Beyond that nothing is converted:
"1" is no int. A type that is not known here (Any, a Protocol, a class of one's own) takes any value as it is.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections import Counter, OrderedDict, abc
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Union, get_args, get_origin
from uuid import UUID

import msgspec

from wflow.engine import hints, models, names, values
from wflow.engine.path import INSIDE, Path, written
from wflow.errors import MismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Reader = Callable[[Any, Any, Path], object]
    """Takes the value, the type, and where the value is."""

CHOICES: Final = 10
"""How many members of an enum a message names."""

_SCALARS: Final = frozenset(
    {bool, int, float, str, bytes, bytearray, datetime, date, time, timedelta, Decimal, UUID, types.NoneType}
)
_UNIONS: Final = (Union, types.UnionType)
_QUALIFIERS: Final = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final)
_MODULE: Final = re.compile(r"\b[\w.<>]+\.(?=\w)")
_FOREIGN: Final = re.compile(r"(?P<problem>.*?)(?: - at (?:`key` in )?`\$(?P<tail>.*)`)?", re.DOTALL)
"""How msgspec says what is wrong and where."""


def restore(value: object, wanted: object, *, root: str = "value") -> object:
    """Turn a decoded value into the type ``wanted``.

    Knows JSON's types, bytes, dates and times, Decimal, UUID, list, tuple, set, dict and their abstract
    classes, Union, Literal, NewType, Annotated, enums, TypedDict, NamedTuple, dataclasses, msgspec's Structs
    and pydantic's models. Raises MismatchError with the path inside the value, which begins with ``root``.
    """
    try:
        return _restore(value, wanted, None)
    except _Misfit as misfit:
        raise MismatchError(f"{written(misfit.path, root)}: {misfit.problem}") from misfit.__cause__


def text(wanted: object) -> str:
    """Write a type for people, without its modules."""
    return (
        wanted.__qualname__.rpartition("<locals>.")[2]
        if isinstance(wanted, type)
        else _MODULE.sub("", str(wanted))
    )


class _Misfit(TypeError):
    """A value does not fit; msgspec takes a TypeError from within for a part that does not fit."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


def _wrong(value: object, wanted: object, path: Path) -> NoReturn:
    expected = wanted if isinstance(wanted, str) else text(wanted)
    shown = "None" if value is None else f"{type(value).__name__} {names.shown(value)}"
    raise _Misfit(path, f"expected {expected}, got {shown}")


def _restore(value: object, wanted: Any, path: Path) -> object:
    wanted = _bare(wanted)
    if wanted is type(value) and wanted in _SCALARS:
        return value
    reader = _reader(wanted)
    return value if reader is None else reader(value, wanted, path)


def _bare(wanted: Any) -> Any:
    """Take off what says nothing of the value: NewType, Annotated, aliases, qualifiers."""
    while True:
        if isinstance(wanted, typing.NewType):
            wanted = wanted.__supertype__
        elif get_origin(wanted) in _QUALIFIERS:
            wanted = get_args(wanted)[0]
        elif type(wanted).__name__ == "TypeAliasType":
            wanted = wanted.__value__
        else:
            return types.NoneType if wanted is None else wanted


def _kind(wanted: Any) -> Any:
    """Give the class behind ``list[int]``."""
    return get_origin(wanted) or wanted


def _reader(wanted: object) -> Reader | None:
    kind = _kind(wanted)
    if kind in _UNIONS:
        return _one_of
    if kind is Literal:
        return _literal
    return _reader_of(kind) if isinstance(kind, type) else None


@lru_cache(maxsize=1_024)
def _reader_of(kind: type) -> Reader | None:
    if kind in _SCALARS:
        return _scalar
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind]
    if issubclass(kind, Enum):
        return _enum
    if typing.is_typeddict(kind):
        return _typed_dict
    if issubclass(kind, tuple) and hasattr(kind, "_field_defaults"):
        return _named_tuple
    if models.is_pydantic(kind):
        # BaseModel itself has no fields: whoever declares no more than that wants what was kept.
        return None if kind.__module__.startswith("pydantic.") else _validated
    if issubclass(kind, msgspec.Struct):
        return None if kind is msgspec.Struct else _struct
    return _dataclass if dataclasses.is_dataclass(kind) else None


def _scalar(value: Any, wanted: Any, path: Path) -> object:
    kind = _kind(wanted)
    if isinstance(value, kind):
        return value
    try:
        made = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        if kind is not float or type(value) is not int:
            _wrong(value, wanted, path)
        made = math.inf
    # A whole number is a float to a type checker, but not every one has a float that is the same.
    return value if kind is float and made != value else made


def _items(given: Iterable[object], wanted: Any, path: Path) -> list[object]:
    items = list(given)
    if wanted in _SCALARS and set(map(type, items)) <= {wanted}:
        return items
    return [_restore(item, wanted, (path, index)) for index, item in enumerate(items)]


def _list(value: Any, wanted: Any, path: Path) -> object:
    if not isinstance(value, (list, tuple)):
        _wrong(value, wanted, path)
    (item,) = get_args(wanted) or (Any,)
    return _items(value, item, path)


def _tuple(value: Any, wanted: Any, path: Path) -> object:
    if not isinstance(value, (list, tuple)):
        _wrong(value, wanted, path)
    wanted_items = get_args(wanted) or (Any, ...)
    if wanted_items[-1] is ...:
        return tuple(_items(value, wanted_items[0], path))
    if len(value) != len(wanted_items):
        _wrong(value, f"{text(wanted)} of {len(wanted_items)} items", path)
    pairs = zip(value, wanted_items, strict=True)
    return tuple(_restore(item, one, (path, index)) for index, (item, one) in enumerate(pairs))


def _set(value: Any, wanted: Any, path: Path) -> object:
    kind = _kind(wanted)
    if not isinstance(value, (set, frozenset, list, tuple)):
        _wrong(value, wanted, path)
    (item,) = get_args(wanted) or (Any,)
    try:
        return (frozenset if kind is frozenset else set)(_restore(one, item, (path, INSIDE)) for one in value)
    except _Misfit:
        raise
    except TypeError:
        _wrong(value, f"{text(wanted)} of what a set can hold", path)


def _dict(value: Any, wanted: Any, path: Path) -> object:
    kind = _kind(wanted)
    if not isinstance(value, dict):
        _wrong(value, wanted, path)
    key, item = (*get_args(wanted), Any, Any)[:2]
    if kind is Counter:
        item = int
    made = {_key(name, key, path): _restore(one, item, (path, name)) for name, one in value.items()}
    return kind(made) if kind in {Counter, OrderedDict} else made


def _key(key: Any, wanted: Any, path: Path) -> object:
    try:
        return _restore(key, wanted, (path, key))
    except _Misfit:
        # JSON has no other keys than text.
        with suppress(msgspec.ValidationError, _Misfit):
            return _restore(msgspec.convert(key, int, strict=False), wanted, (path, key))
        raise


def _one_of(value: Any, wanted: Any, path: Path) -> object:
    """Take the first member that is kept as the very same value; if there is none, the first that fits."""
    members = [_bare(member) for member in get_args(wanted)]
    if type(value) in _SCALARS and type(value) in members:
        return value
    found: list[object] = []
    misfits: list[_Misfit] = []
    for member in members:
        if _reader(member) is None:
            continue
        try:
            made = _restore(value, member, path)
        except _Misfit as misfit:
            misfits += [] if member is types.NoneType else [misfit]
            continue
        if _same(made, value):
            return made
        found.append(made)
    if found:
        return found[0]
    if len(misfits) < len(members) - (types.NoneType in members):
        return value  # there is a member that takes anything
    if len(misfits) == 1:
        raise misfits[0]
    _wrong(value, wanted, path)


def _literal(value: Any, wanted: Any, path: Path) -> object:
    for member in get_args(wanted):
        if _same(member, value):
            return member
    _wrong(value, f"one of {', '.join(map(names.shown, get_args(wanted)))}", path)


def _enum(value: Any, wanted: Any, path: Path) -> object:
    kind = _kind(wanted)
    # Not all that it raises is a ValueError: a list has no hash, and `_missing_` is the user's.
    with suppress(Exception):
        return kind(value)
    for member in kind:
        if _same(member.value, value):
            return member
    choices = ", ".join(names.shown(member.value) for member in list(kind)[:CHOICES])
    _wrong(value, f"{text(wanted)} ({choices}{', ...' if len(kind) > CHOICES else ''})", path)


def _same(made: object, value: object) -> bool:
    """Tell whether something is kept as the decoded ``value``."""
    with suppress(Exception):
        return values.encode(made) == values.encode(value)
    return False


def _typed_dict(value: Any, wanted: Any, path: Path) -> object:
    kind = _kind(wanted)
    if not isinstance(value, dict):
        _wrong(value, wanted, path)
    made = dict(value)
    for name, hint in hints.fields(kind).items():
        if name in made:
            made[name] = _restore(made[name], hint, (path, name))
            continue
        # `__required_keys__` does not see what is written in an annotation that is text.
        said = get_origin(hint)
        if said is typing.Required or (said is not typing.NotRequired and name in kind.__required_keys__):
            raise _Misfit(path, f"{text(wanted)} needs {name!r}, which is missing")
    return made


def _named_tuple(value: Any, wanted: Any, path: Path) -> object:
    kind = _kind(wanted)
    fields, least = kind._fields, len(kind._fields) - len(kind._field_defaults)
    if not isinstance(value, (list, tuple)) or not least <= len(value) <= len(fields):
        _wrong(value, f"{text(wanted)} of {len(fields)} items", path)
    found = hints.fields(kind)
    pairs = zip(fields, value, strict=False)
    return kind(*(_restore(item, found.get(name, Any), (path, name)) for name, item in pairs))


def _validated(value: Any, wanted: Any, path: Path) -> object:
    """Have pydantic read a model, under the names of its fields or their aliases."""
    kind = _kind(wanted)
    validate = kind.__pydantic_validator__.validate_python
    try:
        return validate(value, by_alias=True, by_name=True)
    except Exception as wrong:
        # There are models that do not take what they gave: strict ones, an enum whose value is a tuple.
        with suppress(Exception):
            made = validate(_parts(value, kind), by_alias=True, by_name=True, strict=False)
            if _same(made, value):
                return made
        raise _told(wrong, wanted, path) from wrong


def _parts(value: dict[str, object], kind: type) -> dict[str, object]:
    found = hints.fields(kind)
    return {name: _restore(item, found.get(name, Any), None) for name, item in value.items()}


def _told(wrong: Exception, wanted: Any, path: Path) -> _Misfit:
    """Say what a model raised, as shortly as all else."""
    pydantic = type(wrong).__module__.startswith("pydantic_core")
    problems: list[Any] = getattr(wrong, "errors", list)() if pydantic else []
    if not problems:
        return _Misfit(path, f"{text(wanted)} refused it: {type(wrong).__qualname__}: {wrong}")
    first = problems[0]
    for key in first["loc"]:
        path = (path, key)
    got = "" if first["type"] == "missing" else f", got {names.shown(first['input'])}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _Misfit(path, f"{text(wanted)} refused it: {first['msg']}{got}{more}")


def _struct(value: Any, wanted: Any, path: Path) -> object:
    try:
        return msgspec.convert(
            value, wanted, str_keys=True, dec_hook=lambda kind, item: _restore(item, kind, None)
        )
    except msgspec.ValidationError as wrong:
        found = _FOREIGN.fullmatch(str(wrong))
        assert found is not None
        for key in re.findall(r"[^.\[\]]+", found["tail"] or ""):
            path = (path, int(key) if key.isdecimal() else key)
        inner = wrong.__cause__
        if isinstance(inner, _Misfit):
            raise _Misfit(_joined(path, inner.path), inner.problem) from inner.__cause__
        raise _Misfit(path, f"{text(wanted)} refused it: {found['problem']}") from wrong
    except Exception as wrong:
        raise _told(wrong, wanted, path) from wrong


def _joined(path: Path, rest: Path) -> Path:
    return path if rest is None else (_joined(path, rest[0]), rest[1])


def _dataclass(value: Any, wanted: Any, path: Path) -> object:
    kind = _kind(wanted)
    if not isinstance(value, dict):
        _wrong(value, wanted, path)
    given = dict(zip(getattr(kind, "__parameters__", ()), get_args(wanted), strict=False))
    found = hints.fields(kind)
    made: dict[str, object] = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            made[field.name] = _restore(
                value[field.name], _filled(found.get(field.name), given), (path, field.name)
            )
        elif field.init and field.default is field.default_factory is dataclasses.MISSING:
            raise _Misfit(path, f"{text(wanted)} needs {field.name!r}, which is missing")
    try:
        return models.made(kind, made)
    except Exception as wrong:
        raise _told(wrong, wanted, path) from wrong


def _filled(hint: Any, given: dict[Any, Any]) -> Any:
    """Put the arguments of a generic class into the type of a field."""
    if isinstance(hint, typing.TypeVar):
        return given.get(hint, Any)
    open_ = getattr(hint, "__parameters__", ()) if get_origin(hint) else ()
    return hint[tuple(given.get(one, Any) for one in open_)] if open_ else hint


_COLLECTIONS: Final[dict[type, Reader]] = {
    list: _list,
    abc.Sequence: _list,
    abc.MutableSequence: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    abc.Set: _set,
    abc.MutableSet: _set,
    dict: _dict,
    abc.Mapping: _dict,
    abc.MutableMapping: _dict,
    OrderedDict: _dict,
    Counter: _dict,
}
