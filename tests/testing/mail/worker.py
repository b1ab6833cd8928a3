"""A Worker that consumes what it is sent, for tests of queues on a clock that jumps."""

from __future__ import annotations

import contextlib
from typing import Any

from wflow import InstanceExists, WorkerEntrypoint, WorkflowEntrypoint


class Orders(WorkflowEntrypoint):
    """What a message begins."""

    async def run(self, event: Any, ctx: Any) -> object:
        """Sleep for a day."""
        await ctx.sleep("a day", "1 day")
        return event.payload


class Default(WorkerEntrypoint):
    """The consumer."""

    async def queue(self, batch: Any) -> None:
        """Begin a workflow for each message, and fail over some."""
        for message in batch.messages:
            if message.attempts <= message.body.get("fails", 0):
                message.retry()
            else:
                attempts = message.attempts if "fails" in message.body else 1
                with contextlib.suppress(InstanceExists):
                    await self.env.ORDERS.create(id=f"{message.body['id']}", params=attempts)
