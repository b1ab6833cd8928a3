"""KV: text, bytes or JSON under a key, in a namespace of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.bindings import _kv_rules as rules
from wflow.engine import names
from wflow.errors import InvalidInput
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from wflow.bindings.binding import Called, Send
    from wflow.bindings.control import Control

TYPES: Final = ("text", "json", "bytes", "arrayBuffer", "stream")
BULK_TYPES: Final = ("text", "json")
CHUNK_BYTES: Final = 64 * 1024
"""What a stream gives at once."""
_NOT_GIVEN: Final[Any] = object()

Value = str | bytes | bytearray | memoryview
Values = AsyncIterable[Value] | Iterator[Value]


class Listing(View):
    """A page of keys: ``keys``, ``list_complete``, and the ``cursor`` of the next page."""

    __slots__ = ()

    @property
    def keys(self) -> Any:
        """The keys of the page; a dict's own method is hidden, since this is what Cloudflare calls them."""
        return self["keys"]


class Stream:
    """A value as a stream: ``async for piece in stream`` gives bytes, once."""

    def __init__(self, value: bytes) -> None:
        """Stream ``value``."""
        self._left = memoryview(value)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give what is left, piece by piece."""
        while self._left:
            piece, self._left = self._left[:CHUNK_BYTES], self._left[CHUNK_BYTES:]
            yield bytes(piece)

    async def read(self) -> bytes:
        """Give all that is left."""
        left, self._left = bytes(self._left), memoryview(b"")
        return left


class KV:
    """A namespace; what a method raises is InvalidInput, TooLarge or TooMany, with the limit in the message.

    Options are keywords, in Python's spelling or Cloudflare's (``expiration_ttl``, ``expirationTtl``), or one
    mapping or object that has them. Methods of two words have Cloudflare's names as well.
    """

    def __init__(self, send: Send) -> None:
        """Call the provider by ``send``."""
        self._send = send

    async def get(self, key: str | Sequence[str], type: Any = _NOT_GIVEN, **options: Any) -> Any:
        """Get a value as ``text``, ``json``, ``bytes`` (or ``arrayBuffer``) or ``stream``; None for nothing.

        Of a list of at most 100 keys it gives a dict with a value, or None, for each; as text or JSON, which
        take 25 MiB together at the most. ``cache_ttl`` is at least 30 and has no effect: what is read is what
        was written last.
        """
        kind = _kind(type, options, many=isinstance(key, (list, tuple)))
        if isinstance(key, (list, tuple)):
            found = await self._bulk(key)
            return {name: _as(kind, found.get(name), name) for name in key}
        value, _ = await self._one(key)
        return _as(kind, value, key)

    async def get_with_metadata(
        self, key: str | Sequence[str], type: Any = _NOT_GIVEN, **options: Any
    ) -> Any:
        """Get ``value`` and ``metadata``, both None when there is nothing; of a list of keys a dict of these.

        ``cache_status`` is None.
        """
        kind = _kind(type, options, many=isinstance(key, (list, tuple)))
        if isinstance(key, (list, tuple)):
            all_found: Any = await self._send("get_bulk", [list(key)])
            return {name: _told(kind, all_found.get(name, (None, None)), name) for name in key}
        return _told(kind, await self._one(key), key)

    async def put(self, key: str, value: Value | Values, options: Any = None, **more: Any) -> None:
        """Keep text, bytes, or what a stream (an iterator of these, async or not) gives; the last write wins.

        ``expiration`` is in seconds since 1970, ``expiration_ttl`` in seconds from now, 60 at least;
        ``metadata`` is any JSON of at most 1,024 bytes. In a step it is kept with the step's outcome; until
        then nobody else sees it.
        """
        given = _options("put", options, more, ("expiration", "expiration_ttl", "metadata"))
        if not isinstance(value, (str, bytes, bytearray, memoryview)):
            value = await _gathered(value)
        raw = value.encode() if isinstance(value, str) else bytes(value)
        rules.check_size(len(raw))
        told = [given.get("expiration"), given.get("expiration_ttl"), given.get("metadata")]
        await self._send("put", [key, raw, *told])

    async def delete(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""
        await self._send("delete", [key])

    async def list(self, options: Any = None, **more: Any) -> Listing:
        """List keys in UTF-8 order: ``name``, and ``expiration`` and ``metadata`` where there are any.

        ``prefix`` is what they begin with, ``limit`` at most 1,000, ``cursor`` of the page before.
        """
        given = _options("list", options, more, ("prefix", "limit", "cursor"))
        prefix = given.get("prefix")
        asked = ["" if prefix is None else prefix, given.get("limit", rules.LIST_LIMIT), given.get("cursor")]
        found: Any = await self._send("list", asked)
        keys = [View(key) for key in found["keys"]]
        # Cloudflare spells this one with an underscore.
        return Listing(keys=keys, list_complete=found["cursor"] is None, cursor=found["cursor"])

    async def _one(self, key: object) -> tuple[bytes | None, Any]:
        found: Any = await self._send("get", [key])
        return (None, None) if found is None else (found[0], found[1])

    async def _bulk(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: Any = await self._send("get_bulk", [[*keys]])
        return {key: value for key, (value, _) in found.items()}

    getWithMetadata = get_with_metadata  # noqa: N815 - Cloudflare's name


stub = KV


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the namespace ``target``."""
    from wflow.bindings import _kv_served  # which knows of stores, as a runtime does not

    return await _kv_served.serve(control, target, call)


def _kind(type_: Any, options: dict[str, Any], *, many: bool) -> str:
    """Read as what a value is wanted: the type itself, or options that have it."""
    given: object = None
    if type_ is not _NOT_GIVEN and type_ is not None:
        given = {"type": type_} if isinstance(type_, str) else type_
    read = _options("get", given, options, ("type", "cache_ttl"))
    rules.check_cache_ttl(read.get("cache_ttl"))
    kind = read.get("type")
    kind = "text" if kind is None else kind
    if many and kind not in BULK_TYPES:
        raise InvalidInput(
            f'KV GET_BULK failed: 400 "{str(kind)[:40]}" is not a valid type. Use "json" or "text"'
        )
    if kind not in TYPES:
        raise InvalidInput(f"KV GET failed: 400 a type is one of {', '.join(TYPES)}, not {kind!r}")
    return str(kind)


def _options(method: str, given: object, more: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Take options as one mapping or object, or as keywords, in either spelling."""
    told: dict[str, Any] = {}
    if given is not None:
        told = dict(given) if isinstance(given, Mapping) else _attributes(method, given)
    told |= more
    spelled = {_camel(name): name for name in known}
    read = {spelled.get(str(name), str(name)): value for name, value in told.items()}
    if unknown := read.keys() - set(known):
        raise InvalidInput(f"{method} has no option {min(unknown)!r}; it takes {', '.join(known)}")
    return read


def _attributes(method: str, given: object) -> dict[str, Any]:
    with contextlib.suppress(TypeError):
        return dict(vars(given))
    raise InvalidInput(f"{method} takes its options as keywords, or as a mapping, not {names.shown(given)}")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


async def _gathered(stream: object) -> bytes:
    """Take all that a stream gives, up to the limit of a value."""
    value = bytearray()
    if isinstance(stream, AsyncIterable):
        async for piece in stream:
            _add(value, piece)
    elif isinstance(stream, Iterator):
        for piece in stream:
            _add(value, piece)
    else:
        raise InvalidInput(
            f"KV PUT failed: a value is text or bytes, not {type(stream).__name__}", hint="json.dumps it"
        )
    return bytes(value)


def _add(value: bytearray, piece: object) -> None:
    if not isinstance(piece, (str, bytes, bytearray, memoryview)):
        raise InvalidInput(
            f"KV PUT failed: a stream gives text or bytes, not {type(piece).__name__}", hint="json.dumps it"
        )
    value += piece.encode() if isinstance(piece, str) else piece
    rules.check_size(len(value))


def _told(kind: str, found: Sequence[Any], key: object) -> View:
    return View(value=_as(kind, found[0], key), metadata=found[1], cacheStatus=None)


def _as(kind: str, raw: bytes | None, key: object) -> object:
    if raw is None:
        return None
    if kind == "stream":
        return Stream(raw)
    if kind in ("bytes", "arrayBuffer"):
        return raw
    if kind == "text":
        return raw.decode(errors="replace")
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError) as wrong:
        raise InvalidInput(f"KV GET failed: the value of {key!r} is no JSON: {wrong}") from None
