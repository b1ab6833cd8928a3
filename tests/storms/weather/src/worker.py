"""Workflows for storms: each step tells a witness that it began, and each run says what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import UTC, datetime
from typing import Any

from wflow import Context, Event, Request, Response, WorkerEntrypoint, WorkflowEntrypoint
from wflow.errors import StepInterrupted, WorkflowTimeoutError

RETRIES = {"limit": 100, "delay": 50, "backoff": "constant"}
"""A full disk is the witness's trouble too."""


class Telling(WorkflowEntrypoint):
    """What they share: a step that tells of itself."""

    def work(self, event: Event, pause_s: float = 0.0) -> Any:
        """Make a step's function: it tells its instance, its key and the time, then takes a while."""
        witness = self.env.WITNESS

        async def work(ctx: Any) -> int:
            at = int(datetime.now(UTC).timestamp() * 1000)
            # One write, so that lines of many processes never mix.
            descriptor = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, f"{event.instance_id} {ctx.step.name}-{ctx.step.count} {at}\n".encode())
            finally:
                os.close(descriptor)
            if pause_s:
                await asyncio.sleep(pause_s)
            return int(ctx.step.count)

        return work


class Parallel(Telling):
    """Many steps at once, and one after all of them."""

    async def run(self, event: Event, ctx: Context) -> int:
        work = self.work(event)
        parts = await asyncio.gather(*(ctx.do("part", work) for _ in range(event.payload["width"])))
        await ctx.do("end", work)
        return sum(parts)


class Ticks(Telling):
    """One event after the other, each kept by a step."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        work, told = self.work(event), []
        for _ in range(event.payload["ticks"]):
            told.append((await ctx.wait_for_event("tick", "tick", timeout="1 hour")).payload)
            await ctx.do("keep", work)
        return told


class Race(Telling):
    """An event races a sleep, round after round; says who won."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        work, told = self.work(event), []
        for _ in range(event.payload["rounds"]):
            hit = asyncio.create_task(ctx.wait_for_event("hit", "hit", timeout="1 hour"))
            nap = asyncio.create_task(ctx.sleep("nap", event.payload["nap_ms"]))
            done, late = await asyncio.wait([hit, nap], return_when=asyncio.FIRST_COMPLETED)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            told.append(hit.result().payload if hit in done else "nap")
            await ctx.do("won", work)
        return told


class Wake(Telling):
    """Waits whose deadlines are aimed at."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        work, told = self.work(event), []
        for _ in range(event.payload["rounds"]):
            try:
                told.append((await ctx.wait_for_event("wake", "wake", timeout=1_000)).payload)
            except WorkflowTimeoutError:
                told.append("late")
            await ctx.do("seen", work)
        return told


class AllOf(Telling):
    """All of three events race a sleep."""

    async def run(self, event: Event, ctx: Context) -> str:
        every = asyncio.gather(*(ctx.wait_for_event(name, name, timeout="1 hour") for name in "abc"))
        nap = asyncio.create_task(ctx.sleep("nap", event.payload["nap_ms"]))
        racers: list[asyncio.Future[Any]] = [every, nap]
        done, _ = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
        won = "all" if every in done else "nap"
        for task in (every, nap):
            task.cancel()
        await asyncio.gather(every, nap, return_exceptions=True)
        await ctx.do(f"won by {won}", self.work(event))
        return won


class Pairs(Telling):
    """Two steps side by side, then one, then one that is made at most once; as often and as slow as told."""

    async def run(self, event: Event, ctx: Context) -> int:
        total, work = 0, self.work(event, event.payload.get("pause_s", 0.0))
        for _ in range(event.payload["rounds"]):
            pair = (ctx.do(side, work, retries=RETRIES) for side in ("left", "right"))
            total += sum(await asyncio.gather(*pair))
            await ctx.do("both", work, retries=RETRIES)
            with contextlib.suppress(StepInterrupted, OSError):
                await ctx.do("once", work, at_most_once=True)
        return total


class Default(WorkerEntrypoint):
    """Nobody asks for it."""

    async def fetch(self, request: Request) -> Response:
        return Response("a storm")
