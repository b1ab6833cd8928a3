"""KV: text, bytes or JSON under a key, in a namespace of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import names, values
from wflow.errors import InvalidInput, TooLarge
from wflow.stores.store import Absent, Cell
from wflow.wire.view import View

if TYPE_CHECKING:
    from wflow.bindings.binding import Called, Send
    from wflow.bindings.control import Control

KEY_BYTES: Final = 512
VALUE_BYTES: Final = 25 * 1024 * 1024
METADATA_BYTES: Final = 1024
TTL_SECONDS_MIN: Final = 60
SECONDS_MAX: Final = 10**11
"""Far beyond any date, and small enough to be counted in milliseconds."""
LIST_LIMIT: Final = 1_000
TYPES: Final = ("text", "json", "bytes")


class Listing(View):
    """A page of keys: ``keys``, ``list_complete``, and the ``cursor`` of the next page."""

    __slots__ = ()

    @property
    def keys(self) -> Any:
        """The keys of the page; a dict's own method is hidden, since this is what Cloudflare calls them."""
        return self["keys"]


class KV:
    """A namespace; what a method raises is InvalidInput or TooLarge, with the limit in the message."""

    def __init__(self, send: Send) -> None:
        """Call the provider by ``send``."""
        self._send = send

    async def get(self, key: str, type: str = "text") -> Any:
        """Get a value as ``text``, ``json`` or ``bytes``; None when there is none (any more)."""
        _check_type(type)
        found: Any = await self._send("get", [key])
        return None if found is None else _as(type, found[0], key)

    async def get_with_metadata(self, key: str, type: str = "text") -> View:
        """Get ``value`` and ``metadata``, both None when there is nothing."""
        _check_type(type)
        found: Any = await self._send("get", [key])
        if found is None:
            return View(value=None, metadata=None)
        return View(value=_as(type, found[0], key), metadata=found[1])

    async def put(
        self,
        key: str,
        value: str | bytes,
        *,
        expiration: int | None = None,
        expiration_ttl: int | None = None,
        metadata: object = None,
    ) -> None:
        """Keep text or bytes; the last write wins.

        ``expiration`` is in seconds since 1970, ``expiration_ttl`` in seconds from now, 60 at least;
        ``metadata`` is any JSON of at most 1,024 bytes.
        """
        if not isinstance(value, (str, bytes, bytearray, memoryview)):
            raise InvalidInput(
                f"KV PUT failed: a value is text or bytes, not {type(value).__name__}", hint="json.dumps it"
            )
        raw = value.encode() if isinstance(value, str) else bytes(value)
        _check_size(raw)
        await self._send("put", [key, raw, expiration, expiration_ttl, metadata])

    async def delete(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""
        await self._send("delete", [key])

    async def list(self, *, prefix: str = "", limit: int = LIST_LIMIT, cursor: str | None = None) -> Listing:
        """List keys in UTF-8 order: ``name``, and ``expiration`` and ``metadata`` where there are any."""
        found: Any = await self._send("list", [prefix, limit, cursor])
        keys = [
            View({name: value for name, value in key.items() if value is not None}) for key in found["keys"]
        ]
        # Cloudflare spells this one with an underscore.
        return Listing(keys=keys, list_complete=found["complete"], cursor=found["cursor"])


stub = KV


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the namespace ``target``."""
    space = f"kv:{target}"
    match call.method, call.arguments:
        case "get", [key]:
            cell = (await control.store.read(space, [_key("GET", key)], now=control.now())).get(key)
            return None if cell is None else [cell.value, _metadata(cell)]
        case "put", [key, value, expiration, ttl, metadata]:
            expires_at = _expiry(control.now(), expiration, ttl)
            cell = Cell(
                space=space, key=_key("PUT", key), value=value, meta=_meta(metadata), expires_at=expires_at
            )
            _check_size(value)
            await control.store.write([cell])
            return None
        case "delete", [key]:
            await control.store.write([Absent(space=space, key=_key("DELETE", key))])
            return None
        case "list", [prefix, limit, cursor]:
            return await _list(control, space, prefix, limit=limit, cursor=cursor)
    raise InvalidInput(f"KV has no method {call.method!r} with {len(call.arguments)} arguments")


async def _list(control: Control, space: str, prefix: Any, *, limit: Any, cursor: Any) -> object:
    if not isinstance(prefix, str) or not (cursor is None or isinstance(cursor, str)):
        raise InvalidInput("KV LIST failed: 400 prefix and cursor must be text")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= LIST_LIMIT:
        raise InvalidInput(
            f"KV LIST failed: 400 Invalid key_count_limit of {names.shown(limit)}. "
            f"It must be 1 to {LIST_LIMIT}."
        )
    cells = await control.store.scan(
        space, prefix=prefix, after=cursor or "", limit=limit + 1, now=control.now()
    )
    page, complete = cells[:limit], len(cells) <= limit
    keys = [
        {
            "name": cell.key,
            "expiration": None if cell.expires_at is None else cell.expires_at // 1000,
            "metadata": _metadata(cell),
        }
        for cell in page
    ]
    return {"keys": keys, "complete": complete, "cursor": None if complete else page[-1].key}


def _meta(metadata: object) -> bytes:
    meta = b"" if metadata is None else msgspec.json.encode(values.json_ready(metadata))
    if len(meta) > METADATA_BYTES:
        raise TooLarge(
            f"KV PUT failed: 413 Metadata length of {len(meta)} exceeds limit of {METADATA_BYTES}."
        )
    return meta


def _check_size(value: bytes) -> None:
    if len(value) > VALUE_BYTES:
        raise TooLarge(f"KV PUT failed: 413 Value length of {len(value)} exceeds limit of {VALUE_BYTES}.")


def _key(method: str, key: object) -> str:
    if not isinstance(key, str) or not key:
        raise InvalidInput(f"KV {method} failed: 400 a key is text of at least one character, not {key!r}")
    if key in {".", ".."}:
        raise InvalidInput(f'KV {method} failed: 400 "{key}" is not allowed as a key')
    if (size := len(key.encode())) > KEY_BYTES:
        raise InvalidInput(
            f"KV {method} failed: 414 UTF-8 encoded length of {size} exceeds key length limit of {KEY_BYTES}."
        )
    return key


def _expiry(now: int, expiration: object, ttl: object) -> int | None:
    if ttl is not None:
        if isinstance(ttl, bool) or not isinstance(ttl, int) or not TTL_SECONDS_MIN <= ttl <= SECONDS_MAX:
            raise InvalidInput(
                f"KV PUT failed: 400 Invalid expiration_ttl of {names.shown(ttl)}. "
                f"Expiration TTL must be at least {TTL_SECONDS_MIN}."
            )
        return now + ttl * 1000
    if expiration is None:
        return None
    soonest = now // 1000 + TTL_SECONDS_MIN
    if (
        isinstance(expiration, bool)
        or not isinstance(expiration, int)
        or not soonest <= expiration <= SECONDS_MAX
    ):
        raise InvalidInput(
            f"KV PUT failed: 400 Invalid expiration of {names.shown(expiration)}. "
            f"Expiration times must be at least {TTL_SECONDS_MIN} seconds in the future."
        )
    return expiration * 1000


def _check_type(kind: str) -> None:
    if kind not in TYPES:
        raise InvalidInput(f"KV GET failed: 400 a type is one of {', '.join(TYPES)}, not {kind!r}")


def _as(kind: str, raw: bytes, key: str) -> object:
    if kind == "bytes":
        return raw
    if kind == "text":
        return raw.decode(errors="replace")
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError) as wrong:
        raise InvalidInput(f"KV GET failed: the value of {key!r} is no JSON: {wrong}") from None


def _metadata(cell: Cell) -> object:
    return msgspec.json.decode(cell.meta) if cell.meta else None
