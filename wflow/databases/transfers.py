"""Exports and imports of a database: work that goes on by itself, and is asked after."""

from __future__ import annotations

import asyncio
import codecs
import re
import sqlite3
import time
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from wflow.databases import limits
from wflow.databases.dump import Wanted, dump
from wflow.databases.executing import Statement, run
from wflow.databases.faults import NO_SQL, D1Error
from wflow.databases.splitting import Splitter
from wflow.errors import InvalidInput, TooLarge, TooMany

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from wflow.databases.databases import Databases
    from wflow.databases.opened import Opened

_READ_BYTES: Final = 256 * 1024
_AT_ONCE_S: Final = 1.0
"""So long an answer waits for what is nearly done."""
IMPORT_S: Final = 6 * 3_600.0
"""How long an import may take."""
_STATEMENT_BYTES: Final = 2 * limits.VALUE_BYTES + limits.STATEMENT_BYTES
"""A statement of an import: the largest row there may be, as an export writes it."""
_ETAG: Final = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(slots=True, kw_only=True)
class Transfer:
    """An export or an import: under way, or over with a result or an error."""

    kind: str
    bookmark: str
    began_at: float = field(default_factory=time.monotonic)
    wanted: Wanted | None = None
    task: asyncio.Task[dict[str, Any]] | None = None
    path: Path | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it is under way."""
        return self.task is not None and not self.task.done()

    @property
    def failed(self) -> bool:
        """Whether it came to nothing."""
        task = self.task
        return task is not None and task.done() and (task.cancelled() or task.exception() is not None)

    async def settled(self) -> dict[str, Any] | None:
        """Wait a moment; give the result, or None while it goes on. Raises what went wrong."""
        assert self.task is not None
        done, _ = await asyncio.wait([self.task], timeout=_AT_ONCE_S)
        return self.task.result() if done else None


class Transfers:
    """Those of one database, the last ones of an hour."""

    def __init__(self, databases: Databases, id_: str, folder: Path) -> None:
        """Keep files in ``folder``."""
        self._databases = databases
        self._id = id_
        self._folder = folder
        self._kept: dict[str, Transfer] = {}
        self._forget()
        self._forget()

    # -- out -------------------------------------------------------------------------------------------------

    async def export(self, wanted: Wanted) -> Transfer:
        """Begin to write the database as SQL; raises TooMany. Who wants the same of one moment shares it."""
        database = await self._databases.open(self._id)
        transfer = Transfer(kind="export", bookmark=await database.bookmark(), wanted=wanted)
        there = self._kept.get(f"export/{transfer.bookmark}")
        if there is not None and there.wanted == wanted and not there.failed:
            return there
        if there is not None and there.goes_on:
            raise TooMany("another export of this very state is under way", hint="try again when it is done")
        path = self._place("exports", f"{uuid4().hex}.sql")
        transfer.path = path

        async def work() -> dict[str, Any]:
            count = await database.reading(lambda opened: _exported(opened, path, wanted))
            return {"filename": path.name, "statements": count}

        return self._begin(transfer, work())

    def exported(self, name: str) -> Path:
        """Give the file of an export that is done; raises InvalidInput when it is gone."""
        path = self._place("exports", name)
        if not any(each.path == path for each in self._kept.values()) or not path.is_file():
            raise InvalidInput("there is no such export (any more)", hint="they are kept for an hour")
        return path

    # -- in --------------------------------------------------------------------------------------------------

    def filename(self, etag: str) -> str:
        """Name the file of an upload by its MD5; raises InvalidInput."""
        if not _ETAG.match(etag):
            raise InvalidInput(f"an etag is the file's MD5 in hex, not {etag[:40]!r}")
        return f"{etag}.sql"

    def has(self, filename: str) -> bool:
        """Tell whether it was uploaded."""
        return self._place("uploads", filename).is_file()

    async def upload(self, filename: str, pieces: AsyncIterator[bytes]) -> str:
        """Take a file in; gives its MD5. Raises TooLarge, InvalidInput for one that has another MD5."""
        self._forget()
        path = self._place("uploads", filename)
        part = path.with_suffix(f".{uuid4().hex}.part")
        digest, size = md5(usedforsecurity=False), 0
        try:
            with part.open("wb") as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > limits.IMPORT_BYTES:
                        raise TooLarge(f"an import takes {limits.IMPORT_BYTES:,} bytes at the most")
                    digest.update(piece)
                    await asyncio.to_thread(file.write, piece)
            if f"{digest.hexdigest()}.sql" != filename:
                raise InvalidInput("what was uploaded has another MD5 than was said")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest()

    async def ingest(self, filename: str) -> Transfer:
        """Begin to run a file that was uploaded, in one transaction: all of it or nothing."""
        path = self._place("uploads", filename)
        if not path.is_file():
            raise InvalidInput("there is no such upload", hint="PUT it to `upload_url` first")
        database = await self._databases.open(self._id)
        transfer = Transfer(kind="import", bookmark=await database.bookmark())
        if any(each.kind == "import" and each.goes_on for each in self._kept.values()):
            raise TooMany("another import into this database is under way", hint="try again when it is done")

        async def work() -> dict[str, Any]:
            try:
                (count, meta), bookmark, size = await database.write(
                    lambda opened: _imported(opened, path), IMPORT_S
                )
            finally:
                path.unlink(missing_ok=True)
            return {"num_queries": count, "final_bookmark": bookmark, "meta": {**meta, "size_after": size}}

        return self._begin(transfer, work())

    def get(self, kind: str, bookmark: str) -> Transfer:
        """Give one by the bookmark that it began at; raises InvalidInput."""
        found = self._kept.get(f"{kind}/{bookmark}")
        if found is None:
            raise InvalidInput(f"there is no {kind} at that bookmark")
        return found

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = [each.task for each in self._kept.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, transfer: Transfer, work: Any) -> Transfer:
        self._forget()
        if len(self._kept) >= limits.TRANSFERS:
            work.close()
            raise TooMany(f"{limits.TRANSFERS} exports and imports an hour are kept for a database")
        transfer.task = asyncio.get_running_loop().create_task(work)
        transfer.task.add_done_callback(_heard)
        self._kept[f"{transfer.kind}/{transfer.bookmark}"] = transfer
        return transfer

    def _place(self, folder: str, name: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}\.sql", name):
            raise InvalidInput(f"{name[:80]!r} is no file of an export or import")
        place = self._folder / folder
        place.mkdir(parents=True, exist_ok=True)
        return place / name

    def _forget(self) -> None:
        """Let go of what is an hour old; of what is over, the oldest goes first when there are many."""
        oldest = sorted(self._kept, key=lambda key: self._kept[key].began_at)
        for key in oldest:
            each = self._kept[key]
            over = not each.goes_on
            aged = time.monotonic() - each.began_at > limits.TRANSFER_S
            if over and (aged or len(self._kept) >= limits.TRANSFERS):
                del self._kept[key]
        wanted = {each.path for each in self._kept.values()}
        for path in self._folder.glob("exports/*.sql"):
            if path not in wanted:
                path.unlink(missing_ok=True)
        for path in self._folder.glob("uploads/*"):
            if self._databases.now() / 1000 - path.stat().st_mtime > limits.TRANSFER_S:
                path.unlink(missing_ok=True)


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _exported(opened: Opened, path: Path, wanted: Wanted) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for line in dump(opened, wanted):
            file.write(f"{line}\n")
            count += 1
    return count


def _imported(opened: Opened, path: Path) -> tuple[int, dict[str, Any]]:
    """Run a file's statements one by one; nothing of their results is kept but the sums."""
    count, line = 0, 0
    usual = opened.db.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _STATEMENT_BYTES)
    sums = {"duration": 0.0, "rows_read": 0, "rows_written": 0, "changes": 0}
    try:
        for line, sql in _pieces(path):  # noqa: B007 - an error tells it
            for answer in run(opened, [Statement(sql)]):
                for key in sums:
                    sums[key] += answer.meta[key]
            count += 1
    except D1Error as refused:
        raise D1Error(f"at line {line}: {refused.plain}", hint=refused.hint) from refused
    except UnicodeDecodeError:
        raise D1Error("the file is no UTF-8 text") from None
    finally:
        opened.db.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, usual)
    if not count:
        raise D1Error(NO_SQL)
    last = {"last_row_id": opened.last_row_id, "changed_db": opened.wrote}
    return count, {**sums, **last, "timings": {"sql_duration_ms": sums["duration"]}}


def _pieces(path: Path) -> Iterator[tuple[int, str]]:
    splitter = Splitter(_STATEMENT_BYTES)
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with path.open("rb") as file:
        while raw := file.read(_READ_BYTES):
            if raw.startswith(b"SQLite format 3\0"):
                raise D1Error("the file is a SQLite database, not SQL text", hint="export it as SQL first")
            for at in range(0, len(raw), limits.STATEMENT_BYTES // 2):
                text = decoder.decode(raw[at : at + limits.STATEMENT_BYTES // 2])
                for piece in splitter.feed(text):
                    yield piece.line, piece.sql
    for piece in [*splitter.feed(decoder.decode(b"", final=True)), *splitter.close()]:
        yield piece.line, piece.sql
