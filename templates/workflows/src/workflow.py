"""The workflow: three durable steps.

A step that has finished never runs again, whatever happens to the machine. The code between the steps does:
it is replayed. So everything that touches the world belongs in a step.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
from wflow import Context, Event, NonRetryableError, WorkflowEntrypoint


class MyWorkflow(WorkflowEntrypoint):
    """Fetch numbers, double them, keep the result."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        url = event.payload.get("url")
        if not isinstance(url, str):
            raise NonRetryableError('the payload has no URL: give it as {"url": "https://..."}')

        step1 = await ctx.do("fetchData", self._fetch_data, url)
        ctx.log("Processing step 1", {"instanceId": event.instance_id})

        step2 = await ctx.do("process", process, step1)

        key = f"result:{event.instance_id}"
        await ctx.do("store", self._store, key, step2)
        return {"key": key, "items": step2}

    async def _fetch_data(self, url: str) -> dict[str, list[int]]:
        """Get the numbers; when this raises, the step is tried again, after a pause that grows."""
        timeout = float(self.env.FETCH_TIMEOUT_SECONDS)
        async with httpx.AsyncClient(timeout=timeout) as client:
            response = await client.get(url)
        response.raise_for_status()
        return response.json()

    async def _store(self, key: str, items: list[int]) -> None:
        """Keep the result. A crash may repeat this, so it writes the same value to the same key."""
        await self.env.KV.put(key, json.dumps(items))


def process(prev: dict[str, list[int]]) -> list[int]:
    """Double each item. It is pure: what goes in decides what comes out."""
    return [item * 2 for item in prev["data"]]
