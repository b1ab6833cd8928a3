"""User values in and out of bytes; what cannot be kept is refused at once, with the path inside the value.

A value comes back as what `decode(encode(value))` gives, on the first run as on a replay: tuples as lists, subclasses
of the builtin types as the builtin types, enums as their values. JSON's types, bytes, datetime, date, time, timedelta, Decimal,
UUID, sets and whole numbers of any size come back as themselves.
"""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext

from wflow.engine import names
from wflow.errors import TooLarge, UnserializableError

if TYPE_CHECKING:
    from collections.abc import Callable

NONE: Final = b"\xc0"

_DATETIME, _DATE, _TIME, _DELTA, _DECIMAL, _UUID, _SET, _FROZENSET, _INTEGER = range(1, 10)
_INT64: Final = range(-(2**63), 2**64)
_SCALARS: Final = frozenset({type(None), bool, float, str, bytes})

_encoder = msgspec.msgpack.Encoder()


def encode(value: object, *, limit: int = names.VALUE_BYTES) -> bytes:
    """Turn a value into bytes.

    Raises UnserializableError with the path of what cannot be kept, and TooLarge when it takes more than ``limit``
    bytes.
    """
    raw = _encoder.encode(value if type(value) in _SCALARS else _plain(value, "", 0))
    if len(raw) > limit:
        raise TooLarge(
            f"the value takes {len(raw):,} bytes; the limit is {limit:,}",
            hint="keep it elsewhere (a file, KV) and return its key",
        )
    return raw


def decode(raw: bytes) -> object:
    """Turn bytes that `encode` made back into the value."""
    return _decoder.decode(raw)


def digest_of(arguments: tuple[object, ...]) -> bytes:
    """Give 8 bytes that tell whether a step was called with the same arguments; empty when they cannot be kept."""
    from hashlib import blake2b

    try:
        raw = encode(arguments, limit=names.VALUE_BYTES * 64)
    except (UnserializableError, TooLarge):
        return b""
    return blake2b(raw, digest_size=8).digest()


def json_ready(value: object) -> object:
    """Turn a decoded value into JSON's types, for people and for HTTP: bytes as base64, sets as lists, the rest as text."""
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True)


def _plain(value: object, path: str, depth: int) -> object:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is int:
        return value if value in _INT64 else Ext(_INTEGER, str(value).encode())
    if depth > names.NESTING:
        raise UnserializableError(
            f"{_where(path)}: nested more than {names.NESTING} levels deep (or contains itself)"
        )
    if isinstance(value, dict):
        return {_key(key, path): _plain(item, f"{path}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _special(value, path, depth)


def _special(value: object, path: str, depth: int) -> object:
    match value:
        case enum.Enum():
            return _plain(value.value, path, depth + 1)
        case set() | frozenset():
            items = [_plain(item, f"{path}{{...}}", depth + 1) for item in value]
            return Ext(_SET if isinstance(value, set) else _FROZENSET, _encoder.encode(items))
        case datetime():
            return Ext(_DATETIME, value.isoformat().encode())
        case date():
            return Ext(_DATE, value.isoformat().encode())
        case time():
            return Ext(_TIME, value.isoformat().encode())
        case timedelta():
            return Ext(_DELTA, _encoder.encode([value.days, value.seconds, value.microseconds]))
        case Decimal():
            return Ext(_DECIMAL, str(value).encode())
        case UUID():
            return Ext(_UUID, value.bytes)
        case bytearray() | memoryview():
            return bytes(value)
        case str():
            return str.__str__(value)
        case int():
            return _plain(int(value), path, depth + 1)
        case float():
            return float(value)
        case bytes():
            return bytes(value)
    raise UnserializableError(
        f"{_where(path)}: a {type(value).__module__}.{type(value).__qualname__} cannot be kept; "
        "use JSON's types, bytes, datetime, date, Decimal, UUID or a set"
    )


def _key(key: object, path: str) -> object:
    if type(key) is str or (type(key) is int and key in _INT64):
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise UnserializableError(
        f"{_where(path)}: a dict's keys must be text or whole numbers, not {type(key).__qualname__}"
    )


def _where(path: str) -> str:
    return f"value{path}"


def _read_delta(data: bytes) -> timedelta:
    days, seconds, microseconds = msgspec.msgpack.decode(data, type=tuple[int, int, int])
    return timedelta(days=days, seconds=seconds, microseconds=microseconds)


def _read(code: int, data: memoryview) -> object:
    return _READERS[code](bytes(data))


_decoder = msgspec.msgpack.Decoder(ext_hook=_read)

_READERS: Final[dict[int, Callable[[bytes], object]]] = {
    _DATETIME: lambda data: datetime.fromisoformat(data.decode()),
    _DATE: lambda data: date.fromisoformat(data.decode()),
    _TIME: lambda data: time.fromisoformat(data.decode()),
    _DELTA: _read_delta,
    _DECIMAL: lambda data: Decimal(data.decode()),
    _UUID: lambda data: UUID(bytes=data),
    _SET: lambda data: set(_decoder.decode(data)),
    _FROZENSET: lambda data: frozenset(_decoder.decode(data)),
    _INTEGER: lambda data: int(data.decode()),
}
