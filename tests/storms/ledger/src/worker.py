"""What the storm over effects rages on: steps that count themselves in KV, and begin workflows."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from wflow import WorkflowEntrypoint

PAUSE_S = 0.01


class Ledger(WorkflowEntrypoint):
    """Counts in steps, one after the other and side by side; one fails at first, one for good."""

    async def run(self, event: Any, ctx: Any) -> None:
        """Count."""
        run = event.instance_id
        again = {"limit": 9, "delay": 1, "backoff": "constant"}
        await ctx.do("plain", self._count, run, "plain")
        await asyncio.gather(
            ctx.do("flaky", self._flaky, run, retries=again),
            ctx.do("asks", self._asks, run),
            self._in_vain(run, ctx),
        )
        await ctx.do("plain", self._count, run, "plain")
        await self.env.BOOK.put(f"{run}:end", "there")

    async def _count(self, run: str, kind: str) -> str:
        key, book = f"{run}:{kind}", self.env.BOOK
        count = int(await book.get(key) or 0)
        await book.put(key, str(count + 1))
        made = await self.env.ENTRY.create(params=f"{run}:{kind}")
        self._note(run, kind)
        await asyncio.sleep(PAUSE_S)
        id_: str = made.id
        return id_

    async def _flaky(self, run: str, ctx: Any) -> None:
        await self._count(run, "flaky")
        if ctx.attempt == 1:
            raise ValueError("not yet")

    async def _asks(self, run: str) -> str:
        made = await self._count(run, "asks")
        status: str = (await (await self.env.ENTRY.get(made)).status()).status
        await asyncio.sleep(PAUSE_S)
        return status

    async def _in_vain(self, run: str, ctx: Any) -> None:
        async def fall() -> None:
            await self._count(run, "vain")
            raise LookupError

        try:
            await ctx.do("vain", fall, retries={"limit": 0, "delay": 1})
        except LookupError:
            return

    def _note(self, *words: str) -> None:
        """Tell the witness, in one write."""
        descriptor = os.open(self.env.WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{' '.join(words)}\n".encode())
        finally:
            os.close(descriptor)


class Entry(WorkflowEntrypoint):
    """What a step begins."""

    async def run(self, event: Any, ctx: Any) -> None:
        """Do nothing much."""
        await ctx.do("look", str, event.payload)
