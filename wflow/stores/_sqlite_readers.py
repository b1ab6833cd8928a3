"""The threads that read SQLite beside the one that writes; each read is of one moment."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wflow.errors import StoreError
from wflow.stores._sqlite_writer import told

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

T = TypeVar("T")

READERS: Final = 2


class Readers:
    """A few threads, each with a connection that it opens by ``connect`` with its first read.

    Each has a queue of its own: of two that wait at one, both wake up for what one of them gets.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Start none of them yet; they answer on the loop that runs now."""
        self.opened: list[sqlite3.Connection] = []
        self.closed = False
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._threads: list[threading.Thread] = []
        self._queues: list[_Queue] = []
        self._idle: list[_Queue] = []
        self._waiting: deque[_Read] = deque()

    def read(self, read: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Give what ``read`` makes of a snapshot: an instance that moves meanwhile is in one list, once."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self.closed:
            future.set_exception(StoreError("the store is closed"))
            return future
        self._waiting.append(_Read(read, future))
        if not self._idle and len(self._threads) < READERS:
            self._start()
        self._hand_out()
        return future

    def stop(self) -> None:
        """Take no more."""
        self.closed = True

    async def close(self) -> None:
        """Finish what was asked for, and let go."""
        self.closed = True
        for number, job in enumerate(self._waiting):
            self._queues[number % len(self._queues)].put(job)
        self._waiting.clear()
        for jobs in self._queues:
            jobs.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        for connection in self.opened:
            connection.close()

    def _start(self) -> None:
        jobs: _Queue = queue.SimpleQueue()
        name = f"wflow-read_{len(self._threads)}"
        thread = threading.Thread(target=self._work, args=[jobs], name=name, daemon=True)
        self._threads.append(thread)
        self._queues.append(jobs)
        self._idle.append(jobs)
        thread.start()

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            self._idle.pop().put(self._waiting.popleft())

    def _work(self, jobs: _Queue) -> None:
        db: sqlite3.Connection | None = None
        while (job := jobs.get()) is not None:
            try:
                if db is None:
                    db = self._connect()
                    self.opened.append(db)
                job.result = _run(db, job.read)
            except Exception as broken:  # noqa: BLE001 - whatever it is, it belongs to whoever asked
                job.error = told(broken)
            if self._loop.is_closed():
                return  # nobody is left to hear of it
            self._loop.call_soon_threadsafe(self._answer, jobs, job)

    def _answer(self, jobs: _Queue, job: _Read) -> None:
        self._idle.append(jobs)
        self._hand_out()
        if job.future.done():
            return
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)


class _Read:
    __slots__ = ("error", "future", "read", "result")

    def __init__(self, read: Callable[[sqlite3.Connection], Any], future: asyncio.Future[Any]) -> None:
        self.read = read
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


_Queue = queue.SimpleQueue[_Read | None]


def _run(db: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]) -> T:
    db.execute("BEGIN")
    try:
        return read(db)
    finally:
        if db.in_transaction:
            db.execute("COMMIT")
