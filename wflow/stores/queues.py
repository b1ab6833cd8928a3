"""The contract of the queues of a store: messages that are kept until somebody has handled them.

A message is leased, which makes it invisible for a time, and then settled. A queue is known by its id; what
else there is to say of it the store need not know. None of this costs more for a longer backlog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from wflow.stores.kept import Backlog, Dead, Handled, Leased, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["BACKLOG_BYTES", "Backlog", "Dead", "Handled", "Leased", "Message", "Queues"]

BACKLOG_BYTES: Final = 25 * 10**9
"""What the messages of one queue may take together; Cloudflare's limit."""


class Queues(Protocol):
    """Messages in order of when they are due, as far as that goes. Each method is durable when it returns."""

    async def send(self, messages: Sequence[Message]) -> Mapping[str, Backlog]:
        """Keep messages, all or none; give the backlogs of their queues with them.

        Raises TooMany when a queue would take more than BACKLOG_BYTES.
        """
        ...

    async def lease(
        self,
        queue: str,
        *,
        limit: int,
        now: int,
        until: int | None,
        attempts: int | None = None,
        dead: Dead | None = None,
    ) -> list[Leased]:
        """Lease at most so many messages that are due, those that have been so for longest first.

        Nobody else gets them ``until`` then; None is as long as this process lives: when a store is opened,
        whoever held such a lease has died, and they are due at once. One that was leased so many ``attempts``
        before goes where the ``dead`` go instead.
        """
        ...

    async def settle(self, queue: str, handled: Sequence[Handled]) -> list[bool]:
        """Say what became of messages of a queue; tell of each whether there was such a message, or lease."""
        ...

    async def due(self, queue: str, *, limit: int) -> list[int]:
        """Give the instants from which on the next messages that nobody handles are due, the first ones."""
        ...

    async def peek(self, queue: str, *, limit: int) -> list[Leased]:
        """Show the next messages that nobody handles, due or not, without leasing them."""
        ...

    async def backlog(self, queue: str) -> Backlog:
        """Say what is in a queue."""
        ...

    async def purge(self, queue: str) -> int:
        """Delete all messages that are in a queue now, also leased ones; give how many there were."""
        ...

    async def lapse(self, *, now: int, limit: int) -> int:
        """Delete at most ``limit`` messages that have expired; give how many it did."""
        ...

    def on_arrival(self, told: Callable[[str], None]) -> None:
        """Call ``told`` with the id of a queue after each commit that put messages into it."""
        ...
