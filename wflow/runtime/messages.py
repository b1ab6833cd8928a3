"""A batch of a queue's messages, as a consumer's `queue(batch, env, ctx)` gets it."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wflow.bindings.queue import delay_of, read

if TYPE_CHECKING:
    from wflow.engine.outcome import Failure


class Message:
    """One message: ``id``, ``timestamp`` (when it was sent), ``body`` and ``attempts``, 1 at the first.

    Of `ack` and `retry` the first call counts, whether it is the message's own or its batch's.
    """

    def __init__(self, given: list[Any]) -> None:
        """Read it."""
        id_, at, attempts, self._content_type, self._raw = given
        self.id = id_
        self.timestamp = datetime.fromtimestamp(at / 1000, UTC)
        self.attempts = attempts
        self.decided: str | None = None
        self.delay: int | None = None

    @functools.cached_property
    def body(self) -> Any:
        """What was sent; raises ValueError when it is not what its content type says."""
        return read(self._content_type, self._raw)

    def ack(self) -> None:
        """Let it be gone, whatever becomes of the batch."""
        self.decided = self.decided or "ack"

    def retry(self, options: Any = None, *, delay_seconds: object = None, **named: object) -> None:
        """Have it delivered again, after ``delay_seconds`` (up to 24 hours) or the consumer's own delay."""
        delay = delay_of(options, named, delay_seconds)
        if self.decided is None:
            self.decided, self.delay = "retry", delay

    def __repr__(self) -> str:
        """Show the id."""
        return f"Message(id={self.id!r}, attempts={self.attempts})"


class MessageBatch:
    """Messages of one ``queue``: acknowledged when the handler returns, delivered again when it raises."""

    def __init__(self, given: dict[str, Any]) -> None:
        """Read all of them."""
        self.queue: str = given["queue"]
        self.messages = [Message(message) for message in given["messages"]]

    def ack_all(self) -> None:
        """Let all be gone that were not told anything else yet."""
        for message in self.messages:
            message.ack()

    def retry_all(self, options: Any = None, *, delay_seconds: object = None, **named: object) -> None:
        """Have all delivered again that were not told anything else yet."""
        delay = delay_of(options, named, delay_seconds)
        for message in self.messages:
            message.retry(delay_seconds=delay)

    ackAll = ack_all  # noqa: N815 - Cloudflare's spelling
    retryAll = retry_all  # noqa: N815

    def answer(self, failed: Failure | None) -> object:
        """Say which messages are to be delivered again, by their place, and after which delay."""
        left = "ack" if failed is None else "retry"
        retries = [
            [place, message.delay]
            for place, message in enumerate(self.messages)
            if (message.decided or left) == "retry"
        ]
        return {"retries": retries, "raised": None if failed is None else f"{failed.name}: {failed.message}"}

    def failure(self, failed: Failure | None) -> None:
        """Say that it is no failure: the answer has it all."""
        return
