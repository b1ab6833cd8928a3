"""The KV namespaces of a runner: an id and a title each; their keys are cells of a space of their own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bindings._kv_served import space
from wflow.engine import names
from wflow.errors import InvalidInput, NamespaceNotFound, NamespaceTaken, TooMany
from wflow.stores.store import Absent, Cell

if TYPE_CHECKING:
    from wflow.stores.store import Store

TITLE_CHARS: Final = 512
NAMESPACES: Final = 1_000
"""What one runner keeps; Cloudflare's number for an account."""
REMOVED: Final = 100
"""Keys removed in one transaction: others wait for it, and each may have 25 MiB."""
_SPACE: Final = "kv-namespaces"
_ID_BYTES: Final = 16


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A namespace. One that is ``going`` is deleted, but for some of its keys."""

    id: str
    title: str
    created_at: int = 0
    going: bool = False


async def find(store: Store, *, now: int) -> list[Record]:
    """List the namespaces that were made, by id."""
    return [record for record in await _everyone(store, now=now) if not record.going]


async def find_one(store: Store, id_: str, *, now: int) -> Record | None:
    """Find a namespace that was made."""
    record = await _read(store, id_, now=now)
    return None if record is None or record.going else record


async def create(store: Store, title: object, *, now: int) -> Record:
    """Make a namespace; raises InvalidInput, NamespaceTaken for a title that another one has, TooMany."""
    known = await find(store, now=now)
    if len(known) >= NAMESPACES:
        raise TooMany(f"there are {NAMESPACES:,} KV namespaces; that is the limit")
    record = Record(id=secrets.token_hex(_ID_BYTES), title=_title(title, known), created_at=now)
    await _write(store, record)
    return record


async def ensure(store: Store, id_: str, title: str, *, now: int) -> bool:
    """Make the namespace with an id that a config names, if there is none; tell whether there was none."""
    if await find_one(store, id_, now=now) is not None:
        return False
    await _write(store, Record(id=id_, title=title, created_at=now))
    return True


async def rename(store: Store, id_: str, title: object, *, now: int) -> Record:
    """Give a namespace another title; raises as `create` does."""
    known = await find(store, now=now)
    record = await find_one(store, id_, now=now) or Record(id=id_, title="", created_at=now)
    named = msgspec.structs.replace(record, title=_title(title, [one for one in known if one.id != id_]))
    await _write(store, named)
    return named


async def delete(store: Store, id_: str, *, now: int) -> None:
    """Delete a namespace with all its keys, which takes as long as it takes.

    It is gone at once for whoever lists namespaces; should the runner die meanwhile, the next deletion of
    any namespace removes what is left.
    """
    known = await _read(store, id_, now=now) or Record(id=id_, title="")
    await _write(store, msgspec.structs.replace(known, going=True))
    for record in await _everyone(store, now=now):
        if record.going:
            await _clear(store, record.id)
            await store.write([Absent(space=_SPACE, key=record.id)])


def not_found(id_: str) -> NamespaceNotFound:
    """Say that there is no such namespace."""
    return NamespaceNotFound(f"namespace not found: {names.shown(id_)}")


async def _clear(store: Store, id_: str) -> None:
    # At the beginning of time nothing has expired: what has is removed as well.
    while keys := await store.scan(space(id_), now=0, limit=REMOVED):
        await store.write([Absent(space=space(id_), key=cell.key) for cell in keys])


async def _everyone(store: Store, *, now: int) -> list[Record]:
    cells = await store.scan(_SPACE, now=now, limit=2 * NAMESPACES)
    found = await store.read(_SPACE, [cell.key for cell in cells], now=now)
    return [_decoder.decode(cell.value) for _, cell in sorted(found.items())]


async def _read(store: Store, id_: str, *, now: int) -> Record | None:
    cell = (await store.read(_SPACE, [id_], now=now)).get(id_)
    return None if cell is None else _decoder.decode(cell.value)


async def _write(store: Store, record: Record) -> None:
    await store.write([Cell(space=_SPACE, key=record.id, value=msgspec.json.encode(record))])


def _title(given: object, known: list[Record]) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= TITLE_CHARS or not given.isprintable():
        raise InvalidInput(f"a namespace's title is 1 to {TITLE_CHARS} characters, not {names.shown(given)}")
    if any(one.title == given for one in known):
        raise NamespaceTaken(f"a namespace with this account ID and title already exists: {given!r}")
    return given


_decoder: Final = msgspec.json.Decoder(Record)
