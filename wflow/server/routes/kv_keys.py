"""`/storage/kv/namespaces/{id}`: `values/{key}`, `metadata/{key}` and `keys`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from wflow.bindings import _kv_rules as rules
from wflow.bindings._kv_served import Namespace, listed
from wflow.engine.names import KIB
from wflow.errors import InvalidInput, KeyNotFound
from wflow.server import bodies, queries
from wflow.server.route import Answer, Call, Route
from wflow.server.routes.kv_namespaces import PATH, named
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from starlette.requests import Request

    from wflow.stores.store import Cell

FORM_BYTES: Final = rules.VALUE_BYTES + 64 * KIB
"""A value with its metadata, as a form."""
_FORM: Final = "multipart/form-data"


async def get(call: Call) -> Response:
    """Give a value's bytes; the header `expiration` says when it vanishes, in seconds since 1970."""
    cell = await _cell(call)
    headers = {} if cell.expires_at is None else {"expiration": str(cell.expires_at // 1000)}
    return Response(cell.value, media_type="application/octet-stream", headers=headers)


async def put(call: Call) -> Answer:
    """Keep a value: the body, or the part `value` of a form that has `metadata` as well."""
    key = rules.key("PUT", call.part("key"))
    namespace = await _namespace(call)
    value, metadata = await _sent(call.request)
    expiration, ttl = _seconds(call, "expiration"), _seconds(call, "expiration_ttl")
    cell = namespace.cell(key, value, metadata)
    expires_at = rules.expiry(call.host.now(), expiration, ttl)
    await namespace.write("PUT", [msgspec.structs.replace(cell, expires_at=expires_at)])
    return Answer(result={})


async def delete(call: Call) -> Answer:
    """Remove a key, whether it is there or not."""
    key = rules.key("DELETE", call.part("key"))
    namespace = await _namespace(call)
    await namespace.write("DELETE", [namespace.absent(key)])
    return Answer(result={})


async def metadata(call: Call) -> Answer:
    """Give a key's metadata."""
    return Answer(result=rules.metadata((await _cell(call)).meta))


async def find(call: Call) -> Answer:
    """List keys in UTF-8 order."""
    limit = queries.number(call.query, "limit")
    namespace = await _namespace(call)
    cells, cursor = await namespace.page(
        queries.text(call.query, "prefix") or "",
        limit=rules.LIST_LIMIT if limit is None else limit,
        cursor=queries.text(call.query, "cursor"),
    )
    info: dict[str, object] = {"count": len(cells), "cursor": cursor or ""}
    return Answer(result=[listed(cell) for cell in cells], info=info)


async def _namespace(call: Call) -> Namespace:
    return Namespace(call.host, (await named(call)).id)


async def _cell(call: Call) -> Cell:
    key = rules.key("GET", call.part("key"))
    found = await (await _namespace(call)).get(key)
    if found is None:
        raise KeyNotFound("get: 'key not found'")
    return found


def _seconds(call: Call, name: str) -> int | None:
    return queries.number(call.query, name, at_most=rules.SECONDS_MAX)


async def _sent(request: Request) -> tuple[bytes, Any]:
    """Read the value and the metadata that a request brings."""
    if not request.headers.get("content-type", "").lower().startswith(_FORM):
        return await bodies.read(request, limit=FORM_BYTES), None
    parts = await bodies.form(request, limit=FORM_BYTES, field=FORM_BYTES)
    if "value" not in parts:
        raise InvalidInput("the form has no part `value`")
    return parts["value"], _metadata(parts.get("metadata", b""))


def _metadata(raw: bytes) -> Any:
    if not raw.strip():
        return None
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError) as wrong:
        raise InvalidInput(f"`metadata` is no JSON: {wrong}") from None


routes = [
    Route("GET", PATH + "/{namespace}/values/{key}", READ, get),
    Route("PUT", PATH + "/{namespace}/values/{key}", DEPLOY, put),
    Route("DELETE", PATH + "/{namespace}/values/{key}", DEPLOY, delete),
    Route("GET", PATH + "/{namespace}/metadata/{key}", READ, metadata),
    Route("GET", PATH + "/{namespace}/keys", READ, find),
]
