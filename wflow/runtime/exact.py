"""Values that come back as the very same, for what an exception carries: tuples as tuples, enums as enums.

Other than a step's result, an exception has no annotation that would say what its parts are. So each part
that is not plain is kept with what it is.
"""

from __future__ import annotations

import enum
import importlib
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any, Final
from uuid import UUID

from wflow.engine import models, names, typed, values
from wflow.errors import UnserializableError

_SCALARS: Final = frozenset(
    {NoneType, bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID}
)
_KINDS: Final = (list, tuple, set, frozenset)
_DICT, _INSTANCE = len(_KINDS), len(_KINDS) + 1


def encode(value: object, *, limit: int) -> bytes:
    """Turn a value into bytes; raises UnserializableError for what would come back as something else."""
    return values.encode(_described(value, 0), limit=limit)


def decode(raw: bytes) -> Any:
    """Turn bytes that `encode` made back into the value; raises whatever the import of a class raises."""
    return _made(values.decode(raw))


def path_of(kind: type) -> str:
    """Name a class so that `find` finds it."""
    return f"{kind.__module__}:{kind.__qualname__}"


def find(path: str) -> Any:
    """Import what ``module:qualname`` names; raises whatever the import raises."""
    module, _, qualname = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _described(value: Any, depth: int) -> object:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth > names.NESTING // 3:
        raise UnserializableError("nested too deep, or contains itself")
    if kind in _KINDS:
        return [_KINDS.index(kind), [_described(item, depth + 1) for item in value]]
    if kind is dict:
        pairs = value.items()
        return [_DICT, [[_described(key, depth + 1), _described(item, depth + 1)] for key, item in pairs]]
    if (isinstance(value, enum.Enum) or models.opened(value) is not models.NONE) and _importable(kind):
        return [_INSTANCE, [path_of(kind), value]]
    raise UnserializableError(f"a {kind.__qualname__} would not come back as itself")


def _importable(kind: type) -> bool:
    try:
        return find(path_of(kind)) is kind
    except Exception:  # noqa: BLE001 - whatever it is, the class is not there
        return False


def _made(described: Any) -> Any:
    if not isinstance(described, list):
        return described
    kind, held = described
    if kind == _DICT:
        return {_made(key): _made(item) for key, item in held}
    if kind == _INSTANCE:
        path, plain = held
        return typed.restore(plain, find(path))
    return _KINDS[kind](map(_made, held))
