"""The pieces of steps' streams between runtimes and the store: put, read again, removed."""

from __future__ import annotations

import asyncio
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from wflow.engine import names
from wflow.engine.stream import PIECE_BYTES, PIECES
from wflow.errors import InvalidInput
from wflow.stores import pieces
from wflow.stores.store import Absent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.bindings.binding import Called
    from wflow.bindings.control import Control
    from wflow.runner.holds import Hold
    from wflow.stores.store import Cell

SHELF_BYTES: Final = 2 * names.STATE_BYTES
"""What may lie on disk for one instance: what counts, and what attempts that were cut off have left."""
LEAST_BYTES: Final = names.KIB
"""What the least piece counts: a cell, and a place in memory."""
STEP_CHARS: Final = names.STEP_NAME_CHARS + 32
"""A step's key: its name, the number of the visit, and what it is a rollback of."""
REMOVED: Final = 64
"""Pieces removed in one transaction: others wait for it."""
PAGE: Final = 1_000
SHELVES: Final = 1_000


class Streams:
    """The streams of the instances that one runtime holds.

    User code shares its process with the link, so that nothing it says is taken for granted: it reaches the
    pieces of instances that it holds, of a size and a number that fit, and no more.
    """

    def __init__(self, holds: Mapping[int, Hold]) -> None:
        """Serve those who hold one of these claims, which come and go."""
        self._holds = holds
        self._shelves: dict[int, _Shelf] = {}
        self._many = SHELVES

    async def serve(self, control: Control, call: Called) -> object:
        """Answer a call; a piece that finds no room is answered with False.

        Raises InvalidInput for what cannot be, and what the store raises.
        """
        claim = None if call.instance is None else self._holds.get(call.instance)
        if claim is None:
            raise InvalidInput("streams are of steps, and of an instance that this runtime holds")
        match call.method, call.arguments:
            case "stream.put", [str(step), str(token), int(number), bytes(piece)]:
                if len(piece) > PIECE_BYTES:
                    raise InvalidInput(f"a piece of {len(piece):,} bytes; the limit is {PIECE_BYTES:,}")
                key = _key(step, token, number)
                return await self._shelf(control, claim).put(key, piece, first=number == 0)
            case "stream.get", [str(step), str(token), int(number)]:
                key = _key(step, token, number)
                return await pieces.get(control.store, claim.key, key, now=control.now())
            case "stream.drop", [str(step), str(token)]:
                await self._shelf(control, claim).drop(step, token)
                return None
        raise InvalidInput(
            f"streams have no method {call.method!r} with {len(call.arguments)} such arguments"
        )

    def _shelf(self, control: Control, claim: Hold) -> _Shelf:
        shelf = self._shelves.get(claim.key)
        if shelf is None or shelf.claim.epoch != claim.epoch:
            if len(self._shelves) >= self._many:
                self._shelves = {key: one for key, one in self._shelves.items() if self._is_held(one.claim)}
                self._many = max(SHELVES, 2 * len(self._shelves))
            shelf = self._shelves[claim.key] = _Shelf(self, control, claim)
        return shelf

    def _is_held(self, claim: Hold) -> bool:
        held = self._holds.get(claim.key)
        return held is not None and held.epoch == claim.epoch

    def check(self, claim: Hold) -> None:
        """Raise InvalidInput when a claim is over: the next holder's streams must not be cleared away."""
        if not self._is_held(claim):
            raise InvalidInput("the instance is no longer this runtime's")


class _Shelf:
    """What lies on disk for one instance, for as long as one claim on it lasts."""

    def __init__(self, streams: Streams, control: Control, claim: Hold) -> None:
        self.claim = claim
        self._streams = streams
        self._control = control
        self._costs: dict[str, dict[str, dict[str, int]]] = {}
        """What a piece costs, by step, stream and key."""
        self._bytes = 0
        self._writing: set[asyncio.Future[None]] = set()
        self._counted = False
        self._order = asyncio.Lock()

    async def put(self, key: str, piece: bytes, *, first: bool) -> bool:
        """Keep a piece; the ``first`` of a stream clears its step away before. False says: no room."""
        step, token = pieces.stream_of(key)
        if first:
            await self.drop(step)
        elif not self._counted:
            async with self._order:
                await self._count()
        costs = self._costs.setdefault(step, {}).setdefault(token, {})
        more = max(len(piece), LEAST_BYTES) - costs.get(key, 0)
        if self._bytes + more > SHELF_BYTES:
            return False
        self._streams.check(self.claim)
        self._bytes += more
        costs[key] = max(len(piece), LEAST_BYTES)
        write = asyncio.ensure_future(self._control.store.write([pieces.cell(self.claim.key, key, piece)]))
        self._writing.add(write)
        write.add_done_callback(self._writing.discard)
        await write
        return True

    async def drop(self, step: str, token: str | None = None) -> None:
        """Remove a stream of a step, or all of them, with the pieces that are on their way."""
        async with self._order:
            await self._count()
            streams = self._costs.get(step, {})
            if streams and self._writing:
                await asyncio.wait(self._writing)
            for doomed in list(streams) if token is None else streams.keys() & {token}:
                await self._remove(streams[doomed])
                del streams[doomed]
            if not streams:
                self._costs.pop(step, None)

    async def _remove(self, costs: dict[str, int]) -> None:
        space = pieces.space(self.claim.key)
        while doomed := list(islice(costs, REMOVED)):
            self._streams.check(self.claim)
            await self._control.store.write([Absent(space=space, key=key) for key in doomed])
            self._bytes -= sum(map(costs.pop, doomed))

    async def _count(self) -> None:
        """Count what lies there already, once."""
        if self._counted:
            return
        found: list[Cell] = []
        while len(found) % PAGE == 0 and (page := await self._page(found[-1].key if found else "")):
            found += page
        for cell in found:
            step, token = pieces.stream_of(cell.key)
            cost = max(pieces.size(cell), LEAST_BYTES)
            self._costs.setdefault(step, {}).setdefault(token, {})[cell.key] = cost
            self._bytes += cost
        self._counted = True

    async def _page(self, after: str) -> list[Cell]:
        space = pieces.space(self.claim.key)
        return await self._control.store.scan(space, now=self._control.now(), after=after, limit=PAGE)


def _key(step: str, token: str, number: int) -> str:
    if not 0 < len(step) <= STEP_CHARS or pieces.BETWEEN in step or not _TOKEN.fullmatch(token):
        raise InvalidInput(
            f"a stream has a step and a token, not {names.shown(step)} and {names.shown(token)}"
        )
    if not 0 <= number < PIECES:
        raise InvalidInput(f"a stream has at most {PIECES:,} pieces")
    return pieces.key(step, token, number)


_TOKEN: Final = re.compile(r"[0-9a-f]{1,32}")
