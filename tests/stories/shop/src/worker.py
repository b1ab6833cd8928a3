"""A shop whose workflows do what the stories need: count steps, wait at gates, sleep, and stumble."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from effects import tell  # type: ignore[import-not-found]

from wflow import Context, Event, Request, Response, WorkerEntrypoint, WorkflowEntrypoint

VERSION = "one"
POLL_S = 0.01


class Counting(WorkflowEntrypoint):
    """As many steps as it is asked for, each with one effect."""

    async def run(self, event: Event, ctx: Context) -> int:
        total = 0
        pause_s = event.payload.get("pause_s", POLL_S)
        for number in range(event.payload["steps"]):
            total += await ctx.do("step", self._step, event.instance_id, number, pause_s)
        ctx.log("counted", {"total": total})
        return total

    async def _step(self, instance_id: str, number: int, pause_s: float) -> int:
        tell(self.env.WITNESS, instance_id, f"step-{number + 1}")
        if not is_open(f"{self.env.WITNESS}.hurry"):  # whoever has seen enough has the rest done at once
            await asyncio.sleep(pause_s)
        return number


class Gated(WorkflowEntrypoint):
    """One step that ends when a file is there; or a long sleep."""

    async def run(self, event: Event, ctx: Context) -> str:
        if event.payload.get("sleep"):
            await ctx.sleep("nap", event.payload["sleep"])
        await ctx.do("work", self._work, event.instance_id, event.payload["gate"], timeout="1 minute")
        return VERSION

    async def _work(self, instance_id: str, gate: str) -> None:
        tell(self.env.WITNESS, instance_id, "begins")
        while not is_open(gate):  # noqa: ASYNC110 - it is opened from outside
            await asyncio.sleep(POLL_S)
        tell(self.env.WITNESS, instance_id, "ends")


class Patient(WorkflowEntrypoint):
    """A step, a wait for an event, a step; says which version of the code ran them."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        before = await ctx.do("before", self._say, event.instance_id, "before")
        if event.payload.get("sleep"):
            await ctx.sleep("nap", event.payload["sleep"])
            return [before, await ctx.do("after", self._say, event.instance_id, "after")]
        came = await ctx.wait_for_event("go", "go", timeout="1 hour")
        after = await ctx.do("after", self._say, event.instance_id, "after")
        return [before, came.payload, after]

    async def _say(self, instance_id: str, when: str) -> str:
        tell(self.env.WITNESS, instance_id, when)
        return VERSION


class Clumsy(WorkflowEntrypoint):
    """A step that fails on purpose as often as it is told, after one that went well."""

    async def run(self, event: Event, ctx: Context) -> str:
        await ctx.do("sound", self._tell, event.instance_id, "sound")
        falls = event.payload["falls"]
        retries = {"limit": 5, "delay": 20, "backoff": "constant"}
        return await ctx.do("clumsy", self._stumble, event.instance_id, falls, retries=retries)

    async def _tell(self, instance_id: str, what: str) -> None:
        tell(self.env.WITNESS, instance_id, what)

    async def _stumble(self, instance_id: str, falls: int) -> str:
        tell(self.env.WITNESS, instance_id, "clumsy")
        fall(self.env.WITNESS, instance_id, falls)
        return "stands"


def fall(witness: str, instance_id: str, falls: int) -> None:
    """Fall so often, and count it in a file: what an attempt that fails writes to KV is not kept."""
    counted = Path(f"{witness}.{instance_id}")
    fallen = int(counted.read_text()) if counted.exists() else 0
    if fallen < falls:
        counted.write_text(str(fallen + 1))
        raise RuntimeError(f"fell {fallen + 1} times")


def is_open(gate: str) -> bool:
    """Tell whether the file is there."""
    return Path(gate).exists()


def write(name: str, text: str) -> None:
    """Write a file into the working directory."""
    Path(name).write_text(text)


class Default(WorkerEntrypoint):
    """The shop's door."""

    async def fetch(self, request: Request) -> Response:
        url = urlsplit(request.url)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        match request.method, url.path:
            case "GET", "/version":
                return Response(VERSION)
            case "GET", "/greeting":
                return Response(self.env.GREETING)
            case "GET", "/slow":
                await asyncio.sleep(float(query["seconds"]))
                return Response(VERSION)
            case "GET", "/broken":
                raise RuntimeError("the till is jammed")
            case "GET", "/print":
                sys.stdout.write(query["text"] + "\n")
                return Response("printed")
            case "GET", "/write":
                write(query["name"], query["text"])
                return Response("written")
            case "POST", "/counting":
                params = json.loads(await request.text())
                instance = await self.env.COUNTING.create(params=params)
                return Response.json({"id": instance.id}, status=201)
        return Response("nothing here", status=404)
