"""What the storm over queues rages on: steps that send, and a consumer that begins workflows."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

from wflow import InstanceExists, WorkerEntrypoint, WorkflowEntrypoint

PAUSE_S = 0.01


def note(witness: str, *words: object) -> None:
    """Tell the witness, in one write."""
    descriptor = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{' '.join(map(str, words))}\n".encode())
    finally:
        os.close(descriptor)


class Sender(WorkflowEntrypoint):
    """Sends four messages, in two steps of which one fails at first."""

    async def run(self, event: Any, ctx: Any) -> None:
        """Send them."""
        run = event.instance_id
        await ctx.do("send", self._send, run)
        await ctx.do("flaky", self._flaky, run, retries={"limit": 9, "delay": 1, "backoff": "constant"})

    async def _send(self, run: str) -> None:
        await self.env.JOBS.send({"run": run, "kind": "plain"})
        more = [{"body": {"run": run, "kind": kind}} for kind in ("order", "poison")]
        await self.env.JOBS.send_batch(more)

    async def _flaky(self, run: str, ctx: Any) -> None:
        await self.env.JOBS.send({"run": run, "kind": "flaky"})
        if ctx.attempt == 1:
            raise ValueError("not yet")


class Order(WorkflowEntrypoint):
    """What a consumer begins."""

    async def run(self, event: Any, ctx: Any) -> None:
        """Do nothing much."""
        await ctx.do("note", note, self.env.WITNESS, "ordered", event.instance_id)


class Default(WorkerEntrypoint):
    """Consumes."""

    async def queue(self, batch: Any) -> None:
        """Tell of each message, and do what its kind is for."""
        for message in batch.messages:
            run, kind = message.body["run"], message.body["kind"]
            note(self.env.WITNESS, "got", run, kind, message.id, message.attempts)
            if kind == "order":
                with contextlib.suppress(InstanceExists):
                    await self.env.ORDER.create(id=run)
            elif kind == "poison":
                message.retry()
        await asyncio.sleep(PAUSE_S)
