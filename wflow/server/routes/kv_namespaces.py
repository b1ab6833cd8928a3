"""`/storage/kv/namespaces`: list, create, get, rename, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.bindings import kv_namespaces as namespaces
from wflow.bindings.kv_namespaces import Record
from wflow.bundle.manifest import resource_name
from wflow.server import bodies, queries
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from wflow.server.host import Host
    from wflow.wire.shown import Shown

PER_PAGE: Final = 20
PER_PAGE_MAX: Final = 1_000
PATH: Final = "/accounts/{account}/storage/kv/namespaces"


async def find(call: Call) -> Answer:
    """List the namespaces that were made, and those that live versions declare."""
    page = queries.number(call.query, "page", at_least=1) or 1
    per_page = queries.number(call.query, "per_page", at_least=1, at_most=PER_PAGE_MAX) or PER_PAGE
    order = queries.choice(call.query, "order", ("id", "title")) or "id"
    descends = queries.choice(call.query, "direction", ("asc", "desc")) == "desc"
    known = list((await everyone(call.host)).values())
    known.sort(key=lambda one: (getattr(one, order), one.id), reverse=descends)
    shown = known[(page - 1) * per_page : page * per_page]
    info: dict[str, object] = {
        "page": page,
        "per_page": per_page,
        "count": len(shown),
        "total_count": len(known),
    }
    return Answer(result=[_shown(one) for one in shown], info=info)


async def create(call: Call) -> Answer:
    """Make a namespace."""
    title = await _title(call)
    async with call.site.kv_lock:
        record = await namespaces.create(call.host.store, title, now=call.host.now())
    return Answer(result=_shown(record))


async def get(call: Call) -> Answer:
    """Show a namespace."""
    return Answer(result=_shown(await named(call)))


async def rename(call: Call) -> Answer:
    """Give a namespace another title."""
    title = await _title(call)
    async with call.site.kv_lock:
        record = await named(call)
        record = await namespaces.rename(call.host.store, record.id, title, now=call.host.now())
    return Answer(result=_shown(record))


async def delete(call: Call) -> Answer:
    """Delete a namespace with all its keys."""
    async with call.site.kv_lock:
        record = await named(call)
        await namespaces.delete(call.host.store, record.id, now=call.host.now())
    return Answer(result={})


async def named(call: Call) -> Record:
    """Give the namespace that the path names; raises NamespaceNotFound."""
    id_ = call.part("namespace")
    found = await namespaces.find_one(call.host.store, id_, now=call.host.now())
    if found is None:
        found = (await _declared(call.host)).get(id_)
    if found is None:
        raise namespaces.not_found(id_)
    return found


async def everyone(host: Host) -> dict[str, Record]:
    """Give all namespaces by id; a title that was given counts for more than the one that a config makes."""
    made = {one.id: one for one in await namespaces.find(host.store, now=host.now())}
    return {**await _declared(host), **made}


async def _declared(host: Host) -> dict[str, Record]:
    """Give the namespaces of live versions by id; a dev session's are there without anybody making them."""
    found = {}
    for version in host.workers():
        manifest = await host.manifest(version.worker, version.id)
        for entry in manifest.kv:
            found[entry.id] = Record(id=entry.id, title=resource_name(version.worker, entry.binding))
    return found


async def _title(call: Call) -> object:
    body = bodies.fields(await bodies.json(call.request), frozenset({"title", "jurisdiction"}))
    return body.get("title")


def _shown(record: Record) -> Shown:
    return {"id": record.id, "title": record.title, "supports_url_encoding": True}


routes = [
    Route("GET", PATH, READ, find),
    Route("POST", PATH, DEPLOY, create),
    Route("GET", PATH + "/{namespace}", READ, get),
    Route("PUT", PATH + "/{namespace}", DEPLOY, rename),
    Route("DELETE", PATH + "/{namespace}", DEPLOY, delete),
]
