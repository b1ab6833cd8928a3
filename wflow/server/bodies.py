"""Request bodies, read with a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from wflow.engine.names import KIB, MIB
from wflow.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from starlette.types import Message

JSON_BYTES: Final = 2 * MIB
"""One value as JSON: twice what may be kept, because JSON escapes."""
FIELD_BYTES: Final = 64 * KIB
"""A part of a form that is no file."""

_WHERE: Final = "the request's body"


async def read(request: Request, *, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes; raises TooLarge, at once when the body says its length."""
    _check_declared(request, limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


async def json(request: Request, *, limit: int = JSON_BYTES, empty: object = None) -> object:
    """Read a JSON body; ``empty`` stands for no body at all. Raises InvalidInput and TooLarge."""
    raw = await read(request, limit=limit)
    if not raw.strip():
        return empty
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as wrong:
        raise InvalidInput(f"{_WHERE} is no JSON: {wrong}") from None
    except RecursionError:
        raise InvalidInput(f"{_WHERE} is nested too deep") from None


async def form(request: Request, *, limit: int, field: int = FIELD_BYTES) -> dict[str, bytes]:
    """Read a multipart form of two files and two fields at the most, ``limit`` bytes in all.

    What is no file has at most ``field`` bytes.
    Raises InvalidInput and TooLarge.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise InvalidInput(f"{_WHERE} must be multipart/form-data")
    _check_declared(request, limit)
    try:
        parts = _counted(request, limit).form(max_files=2, max_fields=2, max_part_size=field)
        async with parts as given:
            return {name: await _bytes(part) for name, part in given.multi_items()}
    except MultiPartException as wrong:
        raise InvalidInput(f"{_WHERE} is no form: {wrong.message}") from None
    except UnicodeError:
        raise InvalidInput(f"{_WHERE} is no form: its charset does not fit") from None


def fields(body: object, known: frozenset[str]) -> dict[str, object]:
    """Take a JSON object that has no other keys than ``known``; raises InvalidInput."""
    if not isinstance(body, dict):
        raise InvalidInput(f"expected a JSON object, not {shown(body)}")
    if unknown := set(body) - known:
        raise InvalidInput(f"unknown key {min(unknown)!r}; known are {', '.join(sorted(known))}")
    return body


def text(body: dict[str, object], key: str, *, default: str | None = None) -> str:
    """Take a string out of a JSON object; raises InvalidInput."""
    value = body.get(key, default)
    if not isinstance(value, str):
        raise InvalidInput(f"`{key}` must be a string, not {shown(value)}")
    return value


def shown(value: object) -> str:
    """Name the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"


def _check_declared(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"{_WHERE} is larger than {limit:,} bytes, which is the limit")


def _counted(request: Request, limit: int) -> Request:
    """Make the same request again, whose body raises TooLarge when it goes beyond ``limit``."""
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(limit)
        return message

    return Request(request.scope, receive)


async def _bytes(part: UploadFile | str) -> bytes:
    return await part.read() if isinstance(part, UploadFile) else part.encode()
