"""Attempts that begin in one pass of the loop: together in one task, as long as none of them has to wait.

A task takes longer to make than most steps take to run. So one task calls a body after the other, each in a
context of its own. A body that waits keeps the task, which is its own from there on, and the others go on in
another one; so does a body that has left its mark on the task. Nobody can tell it from a task for each.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from contextvars import copy_context
from sys import getrefcount
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import getweakrefcount

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from contextvars import Context

TASKS: Final = 16
"""Tasks that go on with the others when a body waits, as most will too: 4,000 are begun in four passes."""


class Beginning(Protocol):
    """An attempt that is to begin."""

    def begin(self) -> Coroutine[Any, Any, None] | None:
        """Call the body; give what is left to do, None when it is over."""
        ...

    def lasts(self, task: asyncio.Task[None]) -> None:
        """Hear that there is something left to do, in the task that is this attempt's own now."""
        ...


class Together:
    """See the module. It belongs to the running loop; each body's context is a copy of the one at hand."""

    __slots__ = ("_context", "_due", "_waiting", "loop")

    def __init__(self) -> None:
        """Begin with none."""
        self.loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._waiting: deque[Beginning] = deque()
        self._due = 0

    def add(self, attempt: Beginning) -> None:
        """Begin an attempt with the loop's next pass, after those that were added before."""
        self._waiting.append(attempt)
        if not self._due:
            self._go_on(1)

    def _go_on(self, tasks: int) -> None:
        for _ in range(min(tasks, len(self._waiting))):
            self._due += 1
            self.loop.create_task(self._begin_all(), context=self._context)

    async def _begin_all(self) -> None:
        self._due -= 1
        task: Any = asyncio.current_task()
        try:
            left, context = self._begin_until_one_lasts(task)
        finally:
            if not self._due:
                self._go_on(TASKS)
        if left is not None:
            await _within(context, left)

    def _begin_until_one_lasts(self, task: Any) -> tuple[Coroutine[Any, Any, None] | None, Context]:
        """Begin those that wait now; give what is left to do of the last one, and in which context."""
        waiting, context = self._waiting, self._context
        name, known, weakly = task.get_name(), getrefcount(task), getweakrefcount(task)
        callbacks = task._callbacks  # noqa: SLF001 - there is no other way to see whether somebody added one
        for _ in range(len(waiting)):
            if not waiting:
                break
            attempt, context = waiting.popleft(), self._context.copy()
            left = context.run(attempt.begin)
            if left is not None:
                attempt.lasts(task)
                return left, context
            if (
                getrefcount(task) != known
                or getweakrefcount(task) != weakly
                or task.cancelling()
                or task.get_name() is not name
                or task._callbacks != callbacks  # noqa: SLF001
            ):
                break  # it is the body's own: the next one would find what this one has done to it
        return None, context


@types.coroutine
def _within(context: Context, inner: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """Do what is left to do in a context."""
    call: Any = inner.send
    given: Any = None
    while True:
        try:
            waits_for = context.run(call, given)
        except StopIteration:
            return
        finally:
            given = None  # an error that holds this frame, which holds it, would stay for the collector
        try:
            given = yield waits_for
            call = inner.send
        except BaseException as error:  # noqa: BLE001 - it is for the one inside
            given, call = error, inner.throw
        waits_for = None


@types.coroutine
def resumed(inner: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Await a coroutine that has begun, and ``waits_for`` what it gave."""
    while True:
        try:
            yield waits_for
            break
        except BaseException as error:  # noqa: BLE001 - it is for the one inside
            waits_for = None  # as above: it may be what has the error
            try:
                waits_for = inner.throw(error)
            except StopIteration as stop:
                return stop.value
    waits_for = None
    return (yield from inner)
