"""What the runner does for a KV namespace; `wflow.bindings.kv` is what user code sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.bindings import _kv_rules as rules
from wflow.errors import InvalidInput
from wflow.stores.store import Absent, Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.binding import Called
    from wflow.bindings.control import Control
    from wflow.bindings.effects import Held

_SPACES: Final = "kv:"


def space(namespace: str) -> str:
    """Name the space of the cells of a namespace."""
    return f"{_SPACES}{namespace}"


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the namespace ``target``; what a step writes is kept with its outcome."""
    namespace = Namespace(control, target, control.effects(call))
    match call.method, call.arguments:
        case "get", [key]:
            cell = await namespace.get(rules.key("GET", key))
            return None if cell is None else [cell.value, rules.metadata(cell.meta)]
        case "get_bulk", [given]:
            cells = await namespace.get_bulk(rules.keys(given))
            return {cell.key: [cell.value, rules.metadata(cell.meta)] for cell in cells}
        case "put", [key, (str() | bytes()) as value, expiration, ttl, metadata]:
            cell = namespace.cell(rules.key("PUT", key), value, metadata)
            expires_at = rules.expiry(control.now(), expiration, ttl)
            await namespace.write("PUT", [_expiring(cell, expires_at)])
            return None
        case "delete", [key]:
            await namespace.write("DELETE", [namespace.absent(rules.key("DELETE", key))])
            return None
        case "list", [prefix, limit, cursor]:
            found, last = await namespace.page(prefix, limit=limit, cursor=cursor)
            return {"keys": [listed(cell) for cell in found], "cursor": last}
    raise InvalidInput(f"KV has no method {call.method!r} with {len(call.arguments)} arguments")


class Namespace:
    """The keys of a namespace: those on disk, and over them what a step has written so far."""

    def __init__(self, control: Control, id_: str, held: Held | None = None) -> None:
        """Read and write by ``control``, or by what is ``held`` for a step."""
        self.space = space(id_)
        self._control = control
        self._held = held

    def cell(self, key: str, value: str | bytes, metadata: object = None) -> Cell:
        """Make the cell of a key, of what was checked."""
        raw = value.encode() if isinstance(value, str) else value
        rules.check_size(len(raw))
        return Cell(space=self.space, key=key, value=raw, meta=rules.meta(metadata))

    def absent(self, key: str) -> Absent:
        """Make the wish that a key be gone."""
        return Absent(space=self.space, key=key)

    async def get(self, key: str) -> Cell | None:
        """Find a key that has not expired."""
        held = None if self._held is None else self._held.cell(self.space, key)
        if held is None:
            return (await self._control.store.read(self.space, [key], now=self._control.now())).get(key)
        return held if isinstance(held, Cell) and self._lives(held) else None

    async def get_bulk(self, keys: Sequence[str]) -> list[Cell]:
        """Find keys; raises TooLarge for values that take too much together."""
        found, size = [], 0
        for key in keys:
            cell = await self.get(key)  # one by one: else values of a gigabyte would be read to be refused
            if cell is not None:
                size += len(cell.value)
                rules.check_bulk(size)
                found.append(cell)
        return found

    async def write(self, method: str, changes: Sequence[Cell | Absent]) -> None:
        """Write and remove, all or nothing."""
        if self._held is not None:
            self._held.write(changes)
            return
        rules.check_pressure(method, self._control.store)
        await self._control.store.write(changes)

    async def page(self, prefix: object, *, limit: object, cursor: object) -> tuple[list[Cell], str | None]:
        """List keys in UTF-8 order, with the cursor of those that follow, if any."""
        if not isinstance(prefix, str):
            raise InvalidInput("KV LIST failed: 400 prefix and cursor must be text")
        size, after = rules.limit(limit), rules.after(cursor)
        held = self._over(prefix, after)
        wanted = size + 1 + len(held)  # however many of them are gone in what is held, a page is left
        found = await self._control.store.scan(
            self.space, prefix=prefix, after=after, limit=wanted, now=self._control.now()
        )
        there: dict[str, Cell | Absent] = {cell.key: cell for cell in found}
        until = None if len(found) < wanted else found[-1].key
        there |= {key: cell for key, cell in held.items() if until is None or key <= until}
        keys = [cell for _, cell in sorted(there.items()) if isinstance(cell, Cell)]
        page = keys[:size]
        return page, rules.cursor(page[-1].key) if len(keys) > size else None

    def _over(self, prefix: str, after: str) -> dict[str, Cell | Absent]:
        held = {} if self._held is None else self._held.cells(self.space)
        return {
            key: cell if isinstance(cell, Cell) and self._lives(cell) else self.absent(key)
            for key, cell in held.items()
            if key.startswith(prefix) and key > after
        }

    def _lives(self, cell: Cell) -> bool:
        return cell.expires_at is None or cell.expires_at > self._control.now()


def listed(cell: Cell) -> dict[str, Any]:
    """Tell of a key what lists tell: its name, and what else it has."""
    told: dict[str, Any] = {"name": cell.key}
    if cell.expires_at is not None:
        told["expiration"] = cell.expires_at // 1000
    if cell.meta:
        told["metadata"] = rules.metadata(cell.meta)
    return told


def _expiring(cell: Cell, expires_at: int | None) -> Cell:
    return Cell(space=cell.space, key=cell.key, value=cell.value, meta=cell.meta, expires_at=expires_at)
