"""Facts as objects of JSON with named fields, and back again without any loss.

A value stands there as plain JSON when that says all of it, under its field's name; otherwise as the base64
of its bytes, under the name with `:base64` behind it. A field that has its default is left out. What is read
is checked strictly: whatever is wrong raises HistoryError with its path in the document.
"""

from __future__ import annotations

import base64
import math
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from wflow.engine import facts, names, values
from wflow.engine.facts import Fact, Received
from wflow.engine.outcome import Err, Failure, Ok, Outcome
from wflow.engine.requests import CHILD
from wflow.errors import WflowError
from wflow.wire import strict
from wflow.wire.strict import HistoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from msgspec.structs import FieldInfo

T = TypeVar("T")
Plain = dict[str, Any]

BASE64: Final = ":base64"
"""Stands behind the name of a field whose value is given by its bytes."""
CAUSES: Final = 100
"""How deep causes and groups of errors may be nested; runtimes keep far fewer."""


def fact(one: Fact) -> Plain:
    """Turn a fact into an object; `fact` names it."""
    return {"fact": type(one).__name__.lower(), **_fields(one)}


def read_fact(given: Mapping[str, object], path: str) -> Fact:
    """Read a fact."""
    kind = given.get("fact")
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise HistoryError(
            f"{path}.fact", f"one of {', '.join(_KINDS)} is expected, not {strict.shown(kind)}"
        )
    return _read(cls, {name: value for name, value in given.items() if name != "fact"}, path)


def received(one: Received) -> Plain:
    """Turn an event into an object."""
    return _fields(one)


def read_received(given: Mapping[str, object], path: str) -> Received:
    """Read an event."""
    return _read(Received, given, path)


def child(event: Received) -> Outcome | None:
    """Read what a child ended with; None for any other event."""
    if not event.type.startswith(CHILD):
        return None
    try:
        return _outcomes.decode(decoded(event.payload))  # type: ignore[arg-type]
    except (msgspec.DecodeError, TypeError, ValueError):
        return None


def as_payload(outcome: Outcome) -> bytes:
    """Make the payload of the event that tells what a child ended with."""
    return values.encode(_encoder.encode(outcome), limit=names.STATE_BYTES)


def failure(one: Failure) -> Plain:
    """Turn a failure into an object."""
    return _fields(one)


def read_failure(given: object, path: str) -> Failure:
    """Read a failure."""
    return _read_failure(given, path, 0)


def value(name: str, raw: bytes) -> Plain:
    """Give the one field that says an encoded value."""
    try:
        found = decoded(raw)
        if _is_json(found) and values.encode(found, limit=len(raw)) == raw:
            return {name: found}
    except (WflowError, ValueError, TypeError, RecursionError):
        pass
    return {f"{name}{BASE64}": base64.b64encode(raw).decode()}


def decoded(raw: bytes) -> object:
    """Decode a value; raises ValueError for bytes that are none, whatever is wrong with them."""
    try:
        return values.decode(raw)
    except Exception as wrong:
        raise ValueError(f"{type(wrong).__name__}: {wrong}") from wrong


def read_value(given: Mapping[str, object], name: str, path: str) -> bytes | None:
    """Read an encoded value from its field, in either way; None when there is neither."""
    raw = read_bytes(given, name, path)
    if raw is not None and f"{name}{BASE64}" in given:
        try:
            decoded(raw)
        except ValueError as wrong:
            raise HistoryError(f"{path}.{name}{BASE64}", f"these bytes are no value: {wrong}") from None
    return raw


def read_bytes(given: Mapping[str, object], name: str, path: str) -> bytes | None:
    """Read what `value` said, whether its bytes are those of a value or not."""
    coded = f"{name}{BASE64}"
    if name in given and coded in given:
        raise HistoryError(f"{path}.{coded}", f"`{name}` is there as well; one of them says it all")
    if coded in given:
        return strict.raw_bytes(given[coded], f"{path}.{coded}")
    if name not in given:
        return None
    try:
        return values.encode(given[name], limit=names.STATE_BYTES)
    except (WflowError, TypeError, ValueError) as wrong:
        raise HistoryError(f"{path}.{name}", f"this value cannot be kept: {wrong}") from None


# -- structs -------------------------------------------------------------------------------------------------


def _fields(one: msgspec.Struct) -> Plain:
    """Turn the fields of a struct that have not their defaults into fields of an object."""
    found: Plain = {}
    for field in _fields_of(type(one)):
        given = getattr(one, field.name)
        if _is_default(field, given):
            continue
        match given:
            case Ok(raw, beside):
                found |= value("value", raw) | ({"beside": beside} if beside else {})
            case Err(error):
                found["error"] = _fields(error)
            case Failure():
                found[field.name] = _fields(given)
            case bytes() if field.name == "digest":
                found["digest"] = given.hex()
            case bytes():
                found |= _payload(one, given) if field.name == "payload" else value(field.name, given)
            case dict():
                found |= _detail(field.name, given)
            case list() if given and isinstance(given[0], Failure):
                found[field.name] = [_fields(each) for each in given]
            case _:
                found[field.name] = given
    return found


def _read(cls: Callable[..., T], given: Mapping[str, object], path: str, depth: int = 0) -> T:
    """Make a struct out of an object's fields."""
    fields = _fields_of(cls)
    strict.only(given, {name for field in fields for name in _names(field)}, path)
    found: Plain = {}
    for field in fields:
        there = [name for name in _names(field) if name in given]
        if there:
            found[field.name] = _read_field(field, given, path, depth)
        elif field.required:
            raise HistoryError(f"{path}.{_names(field)[0]}", "this field is missing")
    return cls(**found)


def _read_field(field: FieldInfo, given: Mapping[str, object], path: str, depth: int) -> object:
    name = field.name
    at = f"{path}.{name}"
    match name:
        case "outcome":
            return _read_outcome(given, path, depth)
        case "digest":
            return strict.digits(given[name], at)
        case "payload":
            return _read_payload(given, path)
        case "output":
            return read_value(given, name, path)
        case "args" | "kept":
            return read_bytes(given, name, path)
        case "failure" | "cause":
            return _read_failure(given[name], at, depth)
        case "group":
            group = strict.listing(given[name], at, at_most=10_000)
            return [_read_failure(each, f"{at}[{number}]", depth) for number, each in enumerate(group)]
        case "detail":
            return _read_detail(given, path)
        case "notes":
            notes = strict.listing(given[name], at, at_most=10_000)
            return [strict.text(each, f"{at}[{number}]") for number, each in enumerate(notes)]
        case "retryable":
            if not isinstance(given[name], bool):
                raise HistoryError(at, f"true or false is expected, not {strict.shown(given[name])}")
            return given[name]
    if given[name] is None and field.type == int | None:
        return None
    return strict.text(given[name], at) if field.type is str else strict.whole(given[name], at)


def _names(field: FieldInfo) -> tuple[str, ...]:
    """Name the fields of an object that may say a field of a struct."""
    match field.name:
        case "outcome":
            return "value", f"value{BASE64}", "beside", "error"
        case "payload":
            return "payload", f"payload{BASE64}", "value", f"value{BASE64}", "beside", "error"
        case "output" | "args" | "kept" | "detail":
            return field.name, f"{field.name}{BASE64}"
    return (field.name,)


def _read_outcome(given: Mapping[str, object], path: str, depth: int = 0) -> Outcome:
    raw = read_value(given, "value", path)
    if "error" in given:
        if raw is not None or "beside" in given:
            raise HistoryError(f"{path}.error", "there is a `value` as well; a step has one of them")
        return Err(_read_failure(given["error"], f"{path}.error", depth))
    if raw is None:
        raise HistoryError(f"{path}.value", "this field is missing")
    return Ok(raw, strict.whole(given.get("beside", 0), f"{path}.beside", at_least=0))


def _payload(one: object, raw: bytes) -> Plain:
    """Say the payload of an event; what a child ended with is an outcome."""
    outcome = child(one) if isinstance(one, Received) else None
    match outcome:
        case Ok(kept, beside) if as_payload(outcome) == raw:
            return value("value", kept) | ({"beside": beside} if beside else {})
        case Err(error) if as_payload(outcome) == raw:
            return {"error": _fields(error)}
    return value("payload", raw)


def _read_payload(given: Mapping[str, object], path: str) -> bytes:
    raw = read_value(given, "payload", path)
    if raw is None:
        return as_payload(_read_outcome(given, path))
    for name in ("value", f"value{BASE64}", "beside", "error"):
        if name in given:
            raise HistoryError(f"{path}.{name}", "there is a `payload` as well; one of them says it all")
    return raw


def _detail(name: str, given: dict[str, object]) -> Plain:
    raw = _encoder.encode(facts.readable(given))
    found = msgspec.msgpack.decode(raw)
    if _is_json(found):
        return {name: found}
    return {f"{name}{BASE64}": base64.b64encode(raw).decode()}


def _read_detail(given: Mapping[str, object], path: str) -> Plain:
    coded = f"detail{BASE64}"
    if coded not in given:
        found = strict.mapping(given["detail"], f"{path}.detail")
        try:
            _encoder.encode(found)
        except (UnicodeEncodeError, OverflowError, RecursionError) as wrong:
            raise HistoryError(f"{path}.detail", f"this cannot be kept: {wrong}") from None
        return found
    if "detail" in given:
        raise HistoryError(f"{path}.{coded}", "`detail` is there as well; one of them says it all")
    try:
        return msgspec.msgpack.decode(strict.raw_bytes(given[coded], f"{path}.{coded}"), type=dict[str, Any])
    except msgspec.DecodeError as wrong:
        raise HistoryError(f"{path}.{coded}", f"these bytes are no object: {wrong}") from None


def _read_failure(given: object, path: str, depth: int) -> Failure:
    if depth > CAUSES:
        raise HistoryError(path, f"errors are nested more than {CAUSES} deep")
    return _read(Failure, strict.mapping(given, path), path, depth + 1)


def _is_json(found: object) -> bool:
    """Tell whether JSON says a value just so."""
    if isinstance(found, dict):
        return all(type(key) is str and _is_json(item) for key, item in found.items())
    if type(found) is list:
        return all(map(_is_json, found))
    if type(found) is float:
        return math.isfinite(found)
    return type(found) in {str, bool, NoneType} or (type(found) is int and found in strict.INT64)


def _is_default(field: FieldInfo, given: object) -> bool:
    if field.required:
        return False
    if field.default_factory is not msgspec.NODEFAULT:
        return bool(given == field.default_factory())
    return bool(given == field.default)


def _fields_of(cls: Any) -> tuple[FieldInfo, ...]:
    found = _known.get(cls)
    if found is None:
        found = _known[cls] = msgspec.structs.fields(cls)
    return found


_known: dict[Any, tuple[FieldInfo, ...]] = {}
_encoder = msgspec.msgpack.Encoder()
_outcomes: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)
_KINDS: Final[dict[str, Callable[..., Fact]]] = {
    cls.__name__.lower(): cls
    for cls in (
        facts.Opened,
        facts.Tried,
        facts.Failed,
        facts.Settled,
        facts.Received,
        facts.Moved,
        facts.Logged,
    )
}
