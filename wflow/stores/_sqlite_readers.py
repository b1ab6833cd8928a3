"""The threads that read SQLite beside the one that writes; each read is of one moment."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from wflow.errors import StoreError
from wflow.stores._sqlite_writer import told

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

READERS: Final = 2


class Readers:
    """A few threads, each with a connection that it opens by ``connect`` with its first read."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Start none of them yet."""
        self.opened: list[sqlite3.Connection] = []
        self._connect = connect
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="wflow-read")
        self._local = threading.local()
        self.closed = False

    async def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Give what ``read`` makes of a snapshot: an instance that moves meanwhile is in one list, once."""
        if self.closed:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, read)

    def stop(self) -> None:
        """Take no more."""
        self.closed = True

    async def close(self) -> None:
        """Finish what was asked for, and let go."""
        self.closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self.opened:
            connection.close()

    def _run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = self._connect()
            self.opened.append(db)
        db.execute("BEGIN")
        try:
            return read(db)
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as broken:
            raise told(broken) from broken
        finally:
            if db.in_transaction:
                db.execute("COMMIT")
