"""The one thread that writes to SQLite: what arrives during a transaction goes into the next one."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wflow.engine.names import MIB
from wflow.errors import InvalidInput, StoreError, WflowError
from wflow.stores.store import Pressure

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Operation = "Callable[[sqlite3.Connection], T]"

JOBS: Final = 512
"""Operations in one transaction; more wait for the next, so that nobody's answer waits for ever."""
ROWS: Final = 5_000
"""Rows from which on a transaction takes no more operations in, for the same reason."""
WAITING_JOBS: Final = 10_000
"""Operations that may wait for the disk before the store says that it is behind."""
WAITING_BYTES: Final = 64 * MIB
"""Bytes of values in them, likewise."""


class Writer:
    """Runs operations in the order of their submission, many to a transaction, and answers after the commit.

    An operation is a function of the connection. It raises a WflowError before it has written anything, or an
    error of the database at any time: then the transaction is rolled back and the others are run again
    without it, so that one poison operation never takes its neighbours along.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        position: Callable[[], int],
        after_commit: Callable[[int], None],
        after_rollback: Callable[[], None],
        afterwards: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread. ``after_commit`` is called on the loop that runs now, after each transaction.

        It gets the ``position`` as it was when that transaction ended: by the time it is called, the thread
        may be in the middle of the next one, of which nobody can read yet. ``after_rollback`` is called on
        the thread, when a transaction has failed and before anything else is run; ``afterwards`` as well,
        once those who waited for a transaction are told: what takes time has time then.
        """
        self._connection = connection
        self._position = position
        self._after_commit = after_commit
        self._after_rollback = after_rollback
        self._afterwards = afterwards
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._jobs = 0
        self._bytes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="wflow-store", daemon=True)
        self._thread.start()

    @property
    def pressure(self) -> Pressure:
        """What was submitted and is not answered yet."""
        share = max(self._jobs / WAITING_JOBS, self._bytes / WAITING_BYTES)
        return Pressure(jobs=self._jobs, bytes=self._bytes, share=share)

    def submit(
        self, operation: Callable[[sqlite3.Connection], T], *, rows: int = 1, size: int = 0
    ) -> asyncio.Future[T]:
        """Run ``operation`` in the next transaction; the future is done when that is on disk.

        It writes about so many ``rows``, with ``size`` bytes of values.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(StoreError("the store is closed"))
        else:
            self._jobs += 1
            self._bytes += size
            self._waiting.put(_Job(operation, future, rows, size))
        return future

    async def close(self) -> None:
        """Finish what was submitted, then end the thread."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while True:
            jobs, last = self._gather()
            if jobs:
                self._transact(jobs)
                if self._loop.is_closed():
                    return  # nobody is left to hear of it, or to ask for more
                self._loop.call_soon_threadsafe(self._answer, jobs, self._position())
                self._afterwards()
            if last:
                return

    def _gather(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take those that wait with it; tell whether the end was asked for."""
        jobs: list[_Job] = []
        rows = 0
        job = self._waiting.get()
        while job is not None:
            jobs.append(job)
            rows += job.rows
            if len(jobs) >= JOBS or rows >= ROWS:
                return jobs, False
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _transact(self, jobs: list[_Job]) -> None:
        """Run all jobs in one transaction; one that the database refuses is left out, the rest run again."""
        left = list(jobs)
        while left:
            poison = self._attempt(left)
            if poison is None:
                return
            left.remove(poison)

    def _attempt(self, jobs: list[_Job]) -> _Job | None:
        """Run the jobs; give the one that broke the transaction, None when it is committed or lost."""
        job: _Job | None = None
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                job.error = None
                try:
                    job.result = job.operation(connection)
                except WflowError as refused:
                    job.error = refused
            job = None
            connection.execute("COMMIT")
        except Exception as broken:  # noqa: BLE001 - whatever it is, it belongs to the job, not to this thread
            # Should that fail too, the next BEGIN fails as well, and says so to those who wait.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            self._after_rollback()
            if job is not None:
                job.error = told(broken)
                return job
            for each in jobs:
                each.error = told(broken)
        return None

    def _answer(self, jobs: list[_Job], position: int) -> None:
        for job in jobs:
            self._jobs -= 1
            self._bytes -= job.size
            if job.future.done():
                continue
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)
        self._after_commit(position)


class _Job:
    __slots__ = ("error", "future", "operation", "result", "rows", "size")

    def __init__(
        self,
        operation: Callable[[sqlite3.Connection], Any],
        future: asyncio.Future[Any],
        rows: int,
        size: int,
    ) -> None:
        self.operation = operation
        self.future = future
        self.rows = rows
        self.size = size
        self.result: Any = None
        self.error: BaseException | None = None


def told(broken: Exception) -> Exception:
    """Turn what SQLite and Python's part of it raise into an error of ours; any other one stays as it is."""
    if isinstance(broken, (OverflowError, UnicodeEncodeError)):
        wrong = InvalidInput(f"the database cannot take that value: {broken}")
        wrong.__cause__ = broken
        return wrong
    if not isinstance(broken, sqlite3.Error):
        return broken
    hint = "free some disk space; nothing of this was kept" if "full" in str(broken) else None
    failed = StoreError(f"the database said: {broken}", hint=hint)
    failed.__cause__ = broken
    return failed
