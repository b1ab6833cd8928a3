"""Questions to a runtime that wait for their answers, by number."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from wflow.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Ended(LinkError):
    """The runner has ended the process, for a reason that has nothing to do with what was asked."""


class Asked(Generic[T]):
    """What was asked and is not answered yet; answers to other numbers are passed over."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[int, asyncio.Future[T]] = {}
        self._last = 0

    def __len__(self) -> int:
        """Count them."""
        return len(self._waiting)

    @contextlib.contextmanager
    def asking(self) -> Iterator[tuple[int, asyncio.Future[T]]]:
        """Give the next question its number, and what its answer will be in, while the block lasts."""
        self._last += 1
        number = self._last
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            yield number, future
        finally:
            del self._waiting[number]

    def answer(self, number: int, value: T) -> None:
        """Take an answer."""
        future = self._waiting.get(number)
        if future is not None and not future.done():
            future.set_result(value)

    def fail(self, error: Exception) -> None:
        """Have all hear that there will be no answer."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # somebody may wait for it, or nobody; neither is worth a complaint
