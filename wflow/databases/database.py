"""One database: calls in, answers out; what works is a thread, and the runner's loop only waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from wflow.databases import bookmarks, limits
from wflow.databases.executing import Answer, Statement, only_reads, run, whole
from wflow.databases.faults import D1Error, told
from wflow.databases.keeper import FILE, Keeper, copied
from wflow.databases.lane import Lane
from wflow.databases.opened import PAGE_BYTES, Opened
from wflow.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")
CONSTRAINTS: Final = ("first-primary", "first-unconstrained")
"""How a session may begin; here all the same, since there is one copy, which has everything."""


class Outcome:
    """What a call of a database gave: an answer for each statement, and the bookmark after it."""

    __slots__ = ("answers", "bookmark")

    def __init__(self, answers: Sequence[Answer], bookmark: str, size: int) -> None:
        """Put the database's ``size`` into what each answer says of itself."""
        for each in answers:
            each.meta["size_after"] = size
        self.answers = answers
        self.bookmark = bookmark


class Database:
    """A database that is open, or will be with its first call."""

    def __init__(self, id_: str, folder: Path, clock: Callable[[], int]) -> None:
        """Keep it in ``folder``; ``clock`` gives milliseconds since 1970."""
        self.id = id_
        self.folder = folder
        self.used_at = time.monotonic()
        self._keeper: Keeper | None = None
        self._writer: Lane[Keeper] = Lane(f"d1-write-{id_}", 1, lambda: self._open(clock), Keeper.close)
        self._readers: Lane[Opened] = Lane(
            f"d1-read-{id_}",
            limits.READERS,
            lambda: Opened(folder / FILE, writes=False),
            Opened.close,
        )
        self._basing: asyncio.Task[None] | None = None
        self.holds = 0

    @property
    def busy(self) -> bool:
        """Whether a call is under way, or something holds it open."""
        basing = self._basing is not None and not self._basing.done()
        return self._writer.busy or self._readers.busy or basing or self.holds > 0

    async def query(
        self, statements: Sequence[Statement], *, since: str | None = None, effect: bytes | None = None
    ) -> Outcome:
        """Run statements in one transaction: all or nothing; on disk when this returns.

        ``since`` is what a session begins with: a constraint, or a bookmark that the answer must not be
        older than. ``effect`` is a key under which a call that writes is made once, for ever. Raises D1Error
        and D1Overloaded.
        """
        statements = await self._checked(statements)
        await self._follow(since)
        if only_reads(statements):
            with contextlib.suppress(_Writes):
                answers, number, size = await self._read(lambda opened: _read_only(opened, statements))
                return Outcome(answers, bookmarks.written(self.id, number), size)
        answers, number, size = await self._write(lambda keeper: keeper.execute(statements, effect))
        return Outcome(answers, bookmarks.written(self.id, number), size)

    async def write(self, work: Callable[[Opened], T], seconds: float) -> tuple[T, str, int]:
        """Run ``work`` in a transaction of the writer; give its result, the bookmark and the size.

        When the caller is cancelled it is stopped, and rolled back.
        """
        result, number, size = await self._write(
            lambda keeper: keeper.write(work, seconds), stop=lambda keeper: keeper.opened.stop()
        )
        return result, bookmarks.written(self.id, number), size

    async def bookmark(self, at: int | None = None) -> str:
        """Give the bookmark of now, or of the last commit up to a time (milliseconds since 1970)."""
        keeper = await self._opened()
        if at is None:
            return bookmarks.written(self.id, keeper.last)
        number = await self._write(lambda keeper: _before(keeper, at))
        return bookmarks.written(self.id, number)

    async def restore(self, bookmark: str) -> tuple[str, str]:
        """Make the database what it was at a bookmark; give the new bookmark, and that from just before.

        What came between stays in the history. Raises D1Error when the bookmark is out of reach.
        """
        number = bookmarks.read(self.id, bookmark)

        def work(keeper: Keeper) -> tuple[int, int]:
            if not keeper.history.earliest() <= number <= keeper.last:
                raise D1Error("the bookmark is older than the history that is kept")
            before = keeper.last
            return keeper.restore(number), before

        after, before = await self._write(work)
        return bookmarks.written(self.id, after), bookmarks.written(self.id, before)

    async def dump(self) -> bytes:
        """Give the database as a file of SQLite's; raises D1Error for one larger than an answer may be."""
        copy = self.folder / f"dump-{uuid4().hex}.tmp"
        try:
            await self.reading(lambda opened: copied(opened, copy))
            if copy.stat().st_size > limits.RESULT_BYTES:
                raise D1Error(
                    f"the database takes more than {limits.RESULT_BYTES:,} bytes",
                    prefix="D1_DUMP_ERROR",
                    hint="export it",
                )
            return await asyncio.to_thread(copy.read_bytes)
        finally:
            copy.unlink(missing_ok=True)

    async def describe(self) -> tuple[int, int]:
        """Give the size in bytes and the number of tables."""
        return await self._read(_described)

    async def reading(self, work: Callable[[Opened], T]) -> T:
        """Run ``work`` on a thread and a connection of its own, however long it takes."""
        await self._opened()

        opened = await asyncio.to_thread(Opened, self.folder / FILE, writes=False)

        def done() -> T:
            try:
                return work(opened)
            except (sqlite3.Error, OSError) as broken:
                raise told(broken) from broken
            finally:
                opened.close()

        self.holds += 1
        try:
            task = asyncio.ensure_future(asyncio.to_thread(done))
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                opened.end()
                await asyncio.wait([task])
                raise
        finally:
            self.holds -= 1

    async def close(self) -> None:
        """Finish what is under way, and let go of the files: those that read first."""
        if self._basing is not None:
            self._basing.cancel()
            await asyncio.wait([self._basing])
        await self._readers.close()
        await self._writer.close()
        self._keeper = None

    def _open(self, clock: Callable[[], int]) -> Keeper:
        keeper = Keeper(self.folder, clock)
        self._keeper = keeper
        return keeper

    async def _checked(self, statements: Sequence[Statement]) -> list[Statement]:
        # What is long is split on a thread, so that the loop is not held up.
        if sum(len(each.sql) for each in statements) > limits.STATEMENT_BYTES // 4:
            return await asyncio.to_thread(whole, statements)
        return whole(statements)

    async def _follow(self, since: str | None) -> None:
        if since is None or since in CONSTRAINTS or not since:
            return
        number = bookmarks.read(self.id, since)
        if number > (await self._opened()).last:
            raise D1Error("the bookmark is ahead of the database, which was put back by hand")

    async def _opened(self) -> Keeper:
        self.used_at = time.monotonic()
        if self._keeper is not None:
            return self._keeper
        return await self._writer.run(lambda keeper: keeper)

    async def _read(self, work: Callable[[Opened], T]) -> T:
        await self._opened()
        return await self._readers.run(work, stop=Opened.stop)

    async def _write(self, work: Callable[[Keeper], T], *, stop: Callable[[Keeper], None] | None = None) -> T:
        self.used_at = time.monotonic()

        def done(keeper: Keeper) -> tuple[T, bool]:
            return work(keeper), keeper.wants_base()

        result, wants_base = await self._writer.run(done, stop=stop)
        if wants_base and (self._basing is None or self._basing.done()):
            self._basing = asyncio.get_running_loop().create_task(self._base())
        return result

    async def _base(self) -> None:
        """Make a copy of the whole beside everything else."""
        copy = self.folder / "history" / "base.tmp"
        with contextlib.suppress(StoreError, D1Error):
            number, at = await self.reading(lambda opened: copied(opened, copy))
            await self._writer.run(lambda keeper: keeper.add_base(copy, number, at))


class _Writes(Exception):
    """A statement that was taken for one that reads is none."""


def _read_only(opened: Opened, statements: Sequence[Statement]) -> tuple[list[Answer], int, int]:
    try:
        with opened.transaction("BEGIN", limits.QUERY_S):
            number: int = opened.own("SELECT max(n) FROM _cf_COMMITS")[0][0]
            answers = run(opened, statements)
            return answers, number, opened.own("PRAGMA page_count")[0][0] * PAGE_BYTES
    except D1Error as refused:
        if refused.plain.endswith("SQLITE_READONLY"):
            raise _Writes from refused
        raise


def _described(opened: Opened) -> tuple[int, int]:
    size: int = opened.own("PRAGMA page_count")[0][0] * PAGE_BYTES
    tables = (
        "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
        " AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 7) <> 'sqlite_'"
    )
    count: int = opened.own(tables)[0][0]
    return size, count


def _before(keeper: Keeper, at: int) -> int:
    if at >= keeper.at:
        return keeper.last
    keeper.archive()
    found = keeper.history.before(at)
    if found is None or found < keeper.history.earliest():
        raise D1Error("the database has no history of that time", hint="`d1 time-travel info` tells more")
    return found
