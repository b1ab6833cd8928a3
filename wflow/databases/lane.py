"""A few threads that do one database's work in turn; who waits too long is told, and waits no more."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wflow.databases import limits
from wflow.databases.faults import CROWDED, QUEUED, D1Overloaded, told

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
R = TypeVar("R")


class Lane(Generic[R]):
    """Runs functions of a resource, each on one of up to ``threads`` threads, each with its own resource."""

    def __init__(self, name: str, threads: int, open_: Callable[[], R], close: Callable[[R], None]) -> None:
        """Start no thread yet; each opens its resource with its first job, and closes it at the end."""
        self._name = name
        self._most = threads
        self._open = open_
        self._close = close
        self._jobs: queue.SimpleQueue[_Job[R] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way = 0
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return self._under_way > 0

    async def run(
        self,
        work: Callable[[R], T],
        *,
        stop: Callable[[R], None] | None = None,
        wait_s: float = limits.QUEUE_S,
    ) -> T:
        """Do ``work`` when its turn comes; raises D1Overloaded when that is not within ``wait_s``.

        When the caller is cancelled, work that has not begun never does; what has begun is told to ``stop``,
        if there is a way.
        """
        if self._closed or self._under_way >= limits.WAITING:
            raise D1Overloaded(CROWDED)
        loop = asyncio.get_running_loop()
        job: _Job[R] = _Job(work, loop.create_future(), loop)
        self._under_way += 1
        job.future.add_done_callback(self._done)
        self._jobs.put(job)
        if len(self._threads) < min(self._most, self._under_way):
            self._start()
        try:
            done, _ = await asyncio.wait([job.future], timeout=wait_s)
            if not done and job.give_up():
                job.future.cancel()
                raise D1Overloaded(QUEUED, hint="something slow goes before; try again a little later")
            return await asyncio.shield(job.future)
        except asyncio.CancelledError:
            if job.give_up():
                job.future.cancel()
            elif stop is not None and (resource := job.resource) is not None:
                stop(resource)
            raise

    async def close(self) -> None:
        """Finish what was asked for, then end the threads."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        threads, self._threads = self._threads, []
        await asyncio.to_thread(_join, threads)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # whoever asked may be gone

    def _work(self) -> None:
        resource: R | None = None
        try:
            while (job := self._jobs.get()) is not None:
                if not job.begin():
                    continue
                try:
                    if resource is None:
                        resource = self._open()
                    job.resource = resource
                    result = job.work(resource)
                    job.resource = None
                    job.answer(result, None)
                except Exception as broken:  # noqa: BLE001 - it belongs to who asked, not to this thread
                    job.answer(None, told(broken))
        finally:
            if resource is not None:
                self._close(resource)


class _Job(Generic[R]):
    __slots__ = ("_lock", "_state", "future", "loop", "resource", "work")

    def __init__(
        self, work: Callable[[R], Any], future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.work = work
        self.future = future
        self.loop = loop
        self.resource: R | None = None
        self._lock = threading.Lock()
        self._state = ""

    def begin(self) -> bool:
        """Begin, unless it was given up."""
        return self._take("begun")

    def give_up(self) -> bool:
        """Give up, unless it has begun."""
        return self._take("given up")

    def answer(self, result: object, error: Exception | None) -> None:
        """Tell the loop."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: object, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)

    def _take(self, state: str) -> bool:
        with self._lock:
            if self._state:
                return False
            self._state = state
            return True


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
