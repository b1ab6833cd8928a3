"""User values in and out of bytes; what cannot be kept is refused at once, with the path inside the value.

A value comes back as what `decode(encode(value))` gives, on the first run as on a replay: tuples as lists
(not in a set, whose members must be hashable), subclasses of the builtin types as those, enums as their
values, dataclasses, msgspec Structs and pydantic models as dicts of their fields; `wflow.engine.typed` brings
types back. JSON's types, bytes, datetime, date, time, timedelta, Decimal, UUID, sets and whole numbers of any
size come back as themselves. The same value gives the same bytes in every process.

A stream, whose bytes lie elsewhere, is no value: only a step by itself can give one (`encode_stream`).
"""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw
from msgspec.msgpack import Ext

from wflow.engine import models, names
from wflow.engine.path import INSIDE, MODEL, within_model, written
from wflow.engine.stream import Reference, Streamed
from wflow.errors import TooLarge, UnserializableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.engine.path import Path

NONE: Final = b"\xc0"

_DATETIME, _DATE, _TIME, _DELTA, _DECIMAL, _UUID, _SET, _FROZENSET, _INTEGER, _STREAM = range(1, 11)
_INT64: Final = range(-(2**63), 2**64)
_SCALARS: Final = frozenset({type(None), bool, float, bytes})
_ARGUMENTS: Final[Path] = (None, INSIDE)
"""The root of what is encoded only to be told from other such: a stream is told by what is kept of it."""

_DIGESTED: Final = 64 * names.VALUE_BYTES
"""Arguments of a step that take more are not told apart."""

_encoder = msgspec.msgpack.Encoder()


def encode(value: object, *, limit: int = names.VALUE_BYTES) -> bytes:
    """Turn a value into bytes.

    Raises UnserializableError with the path of what cannot be kept, and TooLarge when it takes more than
    ``limit`` bytes.
    """
    raw = _encoder.encode(value if type(value) in _SCALARS else _plain(value, None, 0))
    if len(raw) > limit:
        raise TooLarge(
            f"the value takes {len(raw):,} bytes; the limit is {limit:,}",
            hint="keep it elsewhere (a file, KV) and return its key",
        )
    return raw


def encode_stream(stream: Reference) -> bytes:
    """Turn what is kept of a stream into bytes, as the value of the step that gives it."""
    return _encoder.encode(_referred(stream))


def digest_of(arguments: tuple[object, ...]) -> bytes:
    """Give 8 bytes that tell one list of a step's arguments from another; empty when they cannot be kept."""
    from hashlib import blake2b

    try:
        raw = _encoder.encode(_plain(arguments, _ARGUMENTS, 0))
    except UnserializableError:
        return b""
    if len(raw) > _DIGESTED:
        return b""
    return blake2b(raw, digest_size=8).digest()


def json_ready(value: object) -> object:
    """Turn a decoded value into JSON's types, for people and for HTTP, and what msgpack can take.

    Bytes become base64, sets lists, whole numbers beyond 64 bits and all the rest text.
    """
    match value:
        case dict():
            return {str(key): json_ready(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_ready(item) for item in value]
        case Reference():
            return str(value)
        case int() if value not in _INT64:
            return str(value)
    return msgspec.to_builtins(value, enc_hook=str)


def _plain(value: object, path: Path, depth: int) -> object:
    if type(value) in _SCALARS:
        return value
    if type(value) is str:
        return _text(value, path)
    if type(value) is int:
        return value if value in _INT64 else Ext(_INTEGER, _digits(value))
    if depth > names.NESTING:
        raise _refused(path, f"nested more than {names.NESTING} levels deep (or contains itself)")
    if isinstance(value, dict):
        return _dict(value, path, depth)
    if isinstance(value, (list, tuple)):
        return [_plain(item, (path, index), depth + 1) for index, item in enumerate(value)]
    return _special(value, path, depth)


def _special(value: object, path: Path, depth: int) -> object:
    match value:
        case Reference() | Streamed():
            return _stream(value, path)
        case enum.Enum():
            return _plain(value.value, path, depth + 1)
        case set() | frozenset():
            # Sorted: a set's own order differs from process to process, and the digest must not.
            items = sorted(_member(item, (path, INSIDE), depth + 1) for item in value)
            return Ext(_SET if isinstance(value, set) else _FROZENSET, _encoder.encode(list(map(Raw, items))))
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
            return _text(str.__str__(value), path)
        case int():
            return _plain(int(value), path, depth + 1)
        case float():
            return float(value)
        case bytes():
            return bytes(value)
    return _model(value, path, depth)


def _model(value: object, path: Path, depth: int) -> object:
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    try:
        opened = models.opened(value)
    except Exception as wrong:
        raise _refused(path, f"a {name} cannot be read: {type(wrong).__qualname__}: {wrong}") from wrong
    if opened is models.NONE and within_model(path):
        opened = models.text_of(value)
    if opened is models.NONE:
        raise _refused(
            path,
            f"a {name} cannot be kept; use JSON's types, bytes, datetime, Decimal, UUID, a set, an enum, "
            "a dataclass, or a model of pydantic or msgspec",
        )
    below = (path, MODEL) if models.is_pydantic(kind) else path
    return _plain(opened, below, depth if isinstance(opened, (dict, list)) else depth + 1)


def _stream(stream: Reference | Streamed, path: Path) -> object:
    root = path
    while root is not None and root is not _ARGUMENTS:
        root = root[0]
    if root is None:
        raise _refused(
            path,
            "a stream cannot be kept here: only a step that returns it by itself keeps one; "
            "read it in a step (ctx.do), which gets it as an argument",
        )
    return _referred(stream.reference if isinstance(stream, Streamed) else stream)


def _referred(stream: Reference) -> Ext:
    return Ext(_STREAM, _encoder.encode(msgspec.structs.astuple(stream)))


def _dict(value: dict[Any, object], path: Path, depth: int) -> object:
    kept = {_key(key, path): _plain(item, (path, key), depth + 1) for key, item in value.items()}
    if len(kept) < len(value):
        raise _refused(path, "two of its keys would come back as one")
    return kept


def _key(key: object, path: Path) -> object:
    if type(key) is int and key in _INT64:
        return key
    if isinstance(key, str):
        return _text(str.__str__(key), (path, key))
    if isinstance(key, enum.Enum):
        return _key(key.value, path)
    if within_model(path) and isinstance(text := models.text_of(key), str):
        return text
    raise _refused(path, f"a dict's keys must be text or whole numbers of 64 bits, not {names.shown(key)}")


def _text(value: str, path: Path) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            problem = f"{names.shown(value)} is no Unicode: it has a lone surrogate"
            raise _refused(path, f"{problem}; keep bytes instead") from None
    return value


def _member(item: object, path: Path, depth: int) -> bytes:
    plain = _plain(item, path, depth)
    if not _hashes(plain):
        raise _refused(path, f"a {type(item).__qualname__} would come back as what no set can hold")
    return _encoder.encode(plain)


def _hashes(plain: object) -> bool:
    if isinstance(plain, list):
        return all(map(_hashes, plain))
    return not isinstance(plain, dict) and not (isinstance(plain, Ext) and plain.code == _SET)


def _hashable(item: object) -> object:
    return tuple(map(_hashable, item)) if isinstance(item, list) else item


def _digits(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _refused(path: Path, problem: str) -> UnserializableError:
    return UnserializableError(f"{written(path, 'value')}: {problem}")


def _read_delta(data: bytes) -> timedelta:
    days, seconds, microseconds = msgspec.msgpack.decode(data, type=tuple[int, int, int])
    return timedelta(days=days, seconds=seconds, microseconds=microseconds)


def _read_stream(data: bytes) -> Reference:
    return Reference(*msgspec.msgpack.decode(data, type=tuple[int, str, str, int, str]))


def _read(code: int, data: memoryview) -> object:
    return _READERS[code](bytes(data))


_decoder = msgspec.msgpack.Decoder(ext_hook=_read)

decode: Final[Callable[[bytes], object]] = _decoder.decode
"""Turn bytes that `encode` made back into the value; those of a stream give a Reference."""

_READERS: Final[dict[int, Callable[[bytes], object]]] = {
    _DATETIME: lambda data: datetime.fromisoformat(data.decode()),
    _DATE: lambda data: date.fromisoformat(data.decode()),
    _TIME: lambda data: time.fromisoformat(data.decode()),
    _DELTA: _read_delta,
    _DECIMAL: lambda data: Decimal(data.decode()),
    _UUID: lambda data: UUID(bytes=data),
    _SET: lambda data: set(map(_hashable, _decoder.decode(data))),
    _FROZENSET: lambda data: frozenset(map(_hashable, _decoder.decode(data))),
    _INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    _STREAM: _read_stream,
}
