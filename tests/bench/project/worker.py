"""The Worker that is measured: workflows that do nothing in several ways, and a `fetch` that creates them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wflow import Context, Event, Request, Response, WorkerEntrypoint, WorkflowEntrypoint

GATE = asyncio.Event()
BATCH = 100


async def nothing() -> None:
    """Be a step that costs what a step costs."""


async def opened() -> None:
    """Be a step that lasts until somebody opens the gate."""
    await GATE.wait()


class Steps(WorkflowEntrypoint):
    """So many steps, one after the other."""

    async def run(self, event: Event, ctx: Context) -> None:
        for _ in range(event.payload):
            await ctx.do("step", nothing)


class Parallel(WorkflowEntrypoint):
    """So many steps at once."""

    async def run(self, event: Event, ctx: Context) -> None:
        await asyncio.gather(*(ctx.do("step", nothing) for _ in range(event.payload)))


class Settled(WorkflowEntrypoint):
    """So many steps, a rest, and then the end."""

    async def run(self, event: Event, ctx: Context) -> None:
        for _ in range(event.payload):
            await ctx.do("step", nothing)
        await ctx.wait_for_event("go", "go")


class Slow(WorkflowEntrypoint):
    """One step that lasts."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("slow", opened)


class Napping(WorkflowEntrypoint):
    """Asleep until an instant, in milliseconds since 1970."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.sleep_until("nap", event.payload)


class Effects(WorkflowEntrypoint):
    """Steps whose effects are lines of a file: instance, step, process."""

    async def run(self, event: Event, ctx: Context) -> None:
        file, pause_s = event.payload["file"], event.payload["pause_s"]

        async def effect(name: str) -> None:
            with open(file, "a") as witness:  # noqa: ASYNC230, PTH123 - a line is written at once
                witness.write(f"{event.instance_id} {name} {os.getpid()}\n")
            await asyncio.sleep(pause_s)

        for number in range(event.payload["steps"]):
            await ctx.do(f"step-{number}", effect, f"step-{number}")


class Default(WorkerEntrypoint):
    """`/fill` creates instances as a Worker does, `/open` lets slow steps end."""

    async def fetch(self, request: Request) -> Response:
        url = urlsplit(request.url)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        match url.path:
            case "/fill":
                return Response.json(await self._fill(asked))
            case "/open":
                GATE.set()
        return Response("ok")

    async def _fill(self, asked: dict[str, str]) -> dict[str, Any]:
        binding = getattr(self.env, asked["binding"])
        options = [{"params": json.loads(asked.get("params", "{}"))}] * BATCH
        batches = iter(range(int(asked["count"]) // BATCH))

        async def create() -> int:
            return sum([len(await binding.create_batch(options)) for _ in batches])

        began = time.perf_counter()
        created = sum(await asyncio.gather(*(create() for _ in range(int(asked.get("at_once", "1"))))))
        return {"created": created, "seconds": time.perf_counter() - began}
