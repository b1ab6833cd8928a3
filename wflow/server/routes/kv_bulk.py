"""`/storage/kv/namespaces/{id}/bulk`: many keys at once, written, removed or read."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.bindings import _kv_rules as rules
from wflow.bindings._kv_served import Namespace
from wflow.engine.names import MIB
from wflow.errors import InvalidInput, TooLarge
from wflow.server import bodies
from wflow.server.route import Answer, Call, Route
from wflow.server.routes.kv_namespaces import PATH, named
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wflow.stores.store import Absent, Cell

PAIRS: Final = 10_000
"""Keys in one request; Cloudflare's number, as is the next."""
BULK_BYTES: Final = 100 * MIB
WRITTEN: Final = 100
"""Keys written in one transaction."""
WRITTEN_BYTES: Final = 4 * MIB
"""Bytes of values from which on a transaction takes no more keys in."""
_PAIR: Final = frozenset({"key", "value", "base64", "expiration", "expiration_ttl", "metadata"})
_ASKED: Final = frozenset({"keys", "type", "withMetadata"})
_BREATH: Final = 50
"""Keys that are checked at once: then others have their turn."""


async def put(call: Call) -> Answer:
    """Keep pairs; all are checked before the first is kept."""
    namespace = await _namespace(call)

    def cell(given: object) -> Cell:
        pair = bodies.fields(given, _PAIR)
        key = rules.key("PUT", pair.get("key"))
        made = namespace.cell(key, _value(pair), pair.get("metadata"))
        times = (pair.get("expiration"), pair.get("expiration_ttl"))
        return msgspec.structs.replace(made, expires_at=rules.expiry(call.host.now(), *times))

    return await _written(call, namespace, cell)


async def delete(call: Call) -> Answer:
    """Remove keys, whether they are there or not."""
    namespace = await _namespace(call)

    def absent(given: object) -> Absent:
        key = given.get("name") if isinstance(given, dict) else given
        return namespace.absent(rules.key("DELETE", key))

    return await _written(call, namespace, absent)


async def get(call: Call) -> Answer:
    """Read up to 100 keys: `values`, each a text or JSON, or with its metadata."""
    asked = bodies.fields(await bodies.json(call.request), _ASKED)
    kind, told = asked.get("type", "text"), asked.get("withMetadata", False)
    if kind not in ("text", "json"):
        raise InvalidInput(f'KV GET_BULK failed: 400 "{kind}" is not a valid type. Use "json" or "text"')
    keys = rules.keys(asked.get("keys"))
    found = {cell.key: cell for cell in await (await _namespace(call)).get_bulk(keys)}
    return Answer(result={"values": {key: _told(found.get(key), kind, told=bool(told)) for key in keys}})


async def _namespace(call: Call) -> Namespace:
    return Namespace(call.host, (await named(call)).id)


async def _written(call: Call, namespace: Namespace, change: Callable[[object], Cell | Absent]) -> Answer:
    """Write what a list asks for, some at a time."""
    changes: list[Cell | Absent] = []
    for number, raw in enumerate(await _items(call)):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        try:
            changes.append(change(msgspec.json.decode(raw)))
        except (InvalidInput, TooLarge) as wrong:
            raise type(wrong)(f"[{number}]: {wrong.message}") from None
    for some in _in_pieces(changes):
        await namespace.write("PUT", some)
    return Answer(result={"successful_key_count": len(changes), "unsuccessful_keys": []})


def _in_pieces(changes: Sequence[Cell | Absent]) -> Iterator[list[Cell | Absent]]:
    """Give what goes into one transaction each."""
    piece: list[Cell | Absent] = []
    size = 0
    for change in changes:
        piece.append(change)
        size += len(getattr(change, "value", b""))
        if len(piece) >= WRITTEN or size >= WRITTEN_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


async def _items(call: Call) -> list[msgspec.Raw]:
    raw = await bodies.read(call.request, limit=BULK_BYTES)
    try:
        items = _list.decode(raw)
    except (ValueError, RecursionError) as wrong:
        raise InvalidInput(f"the request's body must be a JSON array: {wrong}") from None
    if not 1 <= len(items) <= PAIRS:
        raise InvalidInput(f"a bulk request has 1 to {PAIRS:,} keys, not {len(items):,}")
    return items


def _value(pair: dict[str, object]) -> str | bytes:
    value = bodies.text(pair, "value")
    if not pair.get("base64", False):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise InvalidInput("`value` is no Base64") from None


def _told(cell: Cell | None, kind: object, *, told: bool) -> Any:
    if cell is None:
        return None
    value: Any = cell.value.decode(errors="replace")
    if kind == "json":
        try:
            value = msgspec.json.decode(cell.value)
        except (ValueError, RecursionError):
            raise InvalidInput(
                "KV GET_BULK failed: 400 At least one of the requested keys corresponds to a non-json value"
            ) from None
    if not told:
        return value
    shown = {"value": value, "metadata": rules.metadata(cell.meta)}
    return shown if cell.expires_at is None else {**shown, "expiration": cell.expires_at // 1000}


_list: Final = msgspec.json.Decoder(list[msgspec.Raw])

routes = [
    Route("PUT", PATH + "/{namespace}/bulk", DEPLOY, put),
    Route("DELETE", PATH + "/{namespace}/bulk", DEPLOY, delete),
    Route("POST", PATH + "/{namespace}/bulk/delete", DEPLOY, delete),
    Route("POST", PATH + "/{namespace}/bulk/get", READ, get),
]
