"""The workflow: counts the orders of a batch, and adds them to the totals, each order once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from wflow import Context, Event, WorkflowEntrypoint


class Batch(WorkflowEntrypoint):
    """Work off a batch of orders, article by article."""

    async def run(self, event: Event, ctx: Context) -> dict[str, int]:
        orders = await ctx.do("leave out what was counted", self._new, event.payload["orders"])
        counted = Counter[str]()
        for order in orders:
            counted[order["article"]] += order["count"]
        for article, count in sorted(counted.items()):
            await ctx.do(f"add {article}", self._add, article, count)
        return dict(counted)

    async def _new(self, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out orders of another batch: a queue delivers at least once.

        What a step writes is kept together with its result, so an order is either marked and counted, or neither.
        """
        found = []
        for order in orders:
            seen = f"seen:{order['id']}"
            if await self.env.TOTALS.get(seen) is None:
                await self.env.TOTALS.put(seen, "1", expiration_ttl=7 * 86_400)
                found.append(order)
        return found

    async def _add(self, article: str, count: int) -> int:
        """Add to an article's total. The step's write and its result are one, so it counts once."""
        total = int(await self.env.TOTALS.get(article) or 0) + count
        await self.env.TOTALS.put(article, str(total))
        return total
