"""`/logs`: what was logged, and what is being logged."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from wflow.errors import InvalidInput, TooMany
from wflow.server import lines, queries
from wflow.server.following import until_it_stops
from wflow.server.lines import Line, Sieve
from wflow.server.route import FOLLOWERS, Answer, Call, Route, Site
from wflow.server.scopes import READ
from wflow.stores.store import Record, Store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

NDJSON: Final = "application/x-ndjson"
LIMIT: Final = 100
LIMIT_MAX: Final = 1_000
READ_AT_ONCE: Final = 250
"""Records of one look at the store: each may hold a value of a MiB."""
SCANNED_MAX: Final = 100_000
"""Records looked at for one answer; its cursor says where to go on."""
HEARTBEAT_S: Final = 10.0
BREATH_S: Final = 0.02
"""A busy store is looked at so often, not after each commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Some lines, oldest first; all up to ``cursor`` was looked at, and ``more`` says that there is more."""

    lines: list[Line]
    cursor: int
    more: bool


async def read(call: Call) -> Answer | Response:
    """Give stored lines: from `cursor` or `since` on, else the last ones; `follow` goes on with new ones."""
    reader = Reader(call.host.store, _sieve(call))
    limit = queries.number(call.query, "limit", at_least=1, at_most=LIMIT_MAX) or LIMIT
    after = await _after(call)
    if queries.flag(call.query, "follow"):
        if call.site.followers >= FOLLOWERS:
            raise TooMany(f"{FOLLOWERS} log tails are served already; that is the limit")
        start = await reader.store.position() if after is None else after
        lines = until_it_stops(call.host, follow(call.site, reader, start))
        return StreamingResponse(lines, media_type=NDJSON)
    found = await (reader.find_last(limit) if after is None else reader.find(after, limit))
    info: dict[str, object] = {"cursor": found.cursor, "count": len(found.lines), "more": found.more}
    return Answer(result=found.lines, info=info)


async def follow(site: Site, reader: Reader, after: int) -> AsyncGenerator[bytes, None]:
    """Give wanted lines as JSON, one a line, and every HEARTBEAT_S a line with nothing but the cursor.

    A cursor leads, so that whoever is cut off before the first line can go on without a gap.
    """
    host, loop = site.host, asyncio.get_running_loop()
    with _counted(site):
        end = await reader.store.position()
        after = min(after, end)  # a cursor of a store that has been emptied since
        yield _heartbeat(after)
        told_at = loop.time()
        while True:
            records = await reader.records(after)
            all_read = len(records) < READ_AT_ONCE
            # What was not read is not wanted, as far as the store had been written before we looked.
            after = max(after, end if all_read else 0, records[-1].position if records else 0)
            wanted = list(reader.lines(records))
            if wanted:
                yield b"".join(msgspec.json.encode(line) + b"\n" for line in wanted)
                told_at = loop.time()
            if not all_read:
                continue
            changed = await host.changed(after)
            if changed is None:
                return
            end = changed
            if end <= after or loop.time() - told_at >= HEARTBEAT_S:
                yield _heartbeat(after)
                told_at = loop.time()
            await asyncio.sleep(BREATH_S)


@dataclass(frozen=True, slots=True)
class Reader:
    """A store's records as lines, through a sieve."""

    store: Store
    sieve: Sieve

    async def find(self, after: int, limit: int) -> Found:
        """Find lines beyond the position ``after``."""
        found: list[Line] = []
        for _ in range(SCANNED_MAX // READ_AT_ONCE):
            end = await self.store.position()
            records = await self.records(after)
            for line in self.lines(records):
                found.append(line)
                if len(found) == limit:
                    return Found(lines=found, cursor=line.cursor, more=True)
            if len(records) < READ_AT_ONCE:
                last = records[-1].position if records else after
                return Found(lines=found, cursor=max(last, end), more=False)
            after = records[-1].position
        return Found(lines=found, cursor=after, more=True)

    async def find_last(self, limit: int) -> Found:
        """Find the last lines: look at the end, then at more and more before it."""
        newest = start = await self.store.position()
        found: list[Line] = []
        window = 2 * limit
        while start > 0 and len(found) < limit and newest - start < SCANNED_MAX:
            end, start = start, max(0, start - window)
            window *= 4
            before = deque[Line](maxlen=limit - len(found))
            await self._collect(before, start, end)
            found = [*before, *found]
        return Found(lines=found, cursor=newest, more=False)

    async def records(self, after: int) -> list[Record]:
        """Read the next records that may be wanted."""
        sieve = self.sieve
        return await self.store.tail(
            after, tags=sieve.tags, workflow=sieve.workflow, instance=sieve.instance, limit=READ_AT_ONCE
        )

    def lines(self, records: list[Record]) -> Iterator[Line]:
        """Give the lines among records that are wanted."""
        for record in records:
            line = lines.line_of(record)
            if line is not None and self.sieve.wants(line):
                yield line

    async def _collect(self, into: deque[Line], start: int, end: int) -> None:
        """Add the lines beyond ``start``, up to ``end``."""
        while start < end:
            records = await self.records(start)
            within = [record for record in records if record.position <= end]
            into.extend(self.lines(within))
            if len(within) < READ_AT_ONCE:
                break
            start = within[-1].position


def _sieve(call: Call) -> Sieve:
    query = call.query
    return Sieve(
        level=queries.choice(query, "level", lines.LEVELS) or lines.INFO,
        workflow=queries.text(query, "workflow"),
        instance=queries.text(query, "instance"),
        step=queries.text(query, "step"),
        search=queries.text(query, "search"),
    )


async def _after(call: Call) -> int | None:
    """Find the position to begin beyond; None when nothing says."""
    cursor = queries.number(call.query, "cursor")
    since = queries.moment(call.query, "since", now=call.host.now())
    if cursor is not None and since is not None:
        raise InvalidInput("`cursor` and `since` exclude each other")
    return cursor if since is None else await call.host.store.position(at=since)


@contextmanager
def _counted(site: Site) -> Iterator[None]:
    site.followers += 1
    try:
        yield
    finally:
        site.followers -= 1


def _heartbeat(cursor: int) -> bytes:
    return msgspec.json.encode({"cursor": cursor}) + b"\n"


routes = [Route("GET", "/accounts/{account}/logs", READ, read)]
