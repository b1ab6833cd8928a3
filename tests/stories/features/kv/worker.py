"""A namespace behind a path of its own, and a workflow that counts in it what it has done: group J, KV."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from effects import tell  # type: ignore[import-not-found]

from wflow import Context, Event, Request, Response, WflowError, WorkerEntrypoint, WorkflowEntrypoint

POLL_S = 0.01


class Once(WorkflowEntrypoint):
    """A step that counts itself, creates an instance, and then waits, fails or ends; then one that waits."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        told = event.payload
        retries = {"limit": told.get("retries", 0), "delay": 1}
        try:
            made = await ctx.do("effect", self._effect, told, retries=retries)
        except LookupError:
            return {"count": await self.env.KV.get(f"count:{told['name']}")}
        await ctx.do("after", self._wait, "after", told)
        await self.env.KV.put(f"end:{told['name']}", "of its own")
        return {"made": made, "count": await self.env.KV.get(f"count:{told['name']}")}

    async def _effect(self, told: dict[str, Any], ctx: Any) -> list[str]:
        name, kv = told["name"], self.env.KV
        count = int(await kv.get(f"count:{name}") or 0) + 1
        await kv.put(f"count:{name}", str(count), metadata={"by": "step"})
        await kv.put(f"attempt:{name}:{ctx.attempt}", "here")
        one, other = await self.env.COUNTED.create(params=name), await self.env.COUNTED.create(params=name)
        if told.get("asks"):
            await one.status()
        await self._wait("effect", told)
        if ctx.attempt <= told.get("fails", 0):
            raise LookupError("no card")
        return [one.id, other.id]

    async def _wait(self, what: str, told: dict[str, Any]) -> None:
        tell(self.env.WITNESS, told["name"], what)
        while told.get(what) and not Path(told[what]).exists():  # noqa: ASYNC110, ASYNC240 - opened from outside
            await asyncio.sleep(POLL_S)


class Counted(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("count", len, event.payload)


class Default(WorkerEntrypoint):
    """`POST /KV/put` calls `self.env.KV.put` with what the body has."""

    async def fetch(self, request: Request) -> Response:
        namespace, method = request.path.strip("/").split("/")
        asked = await request.json()
        arguments, options = asked.get("args", []), asked.get("options", {})
        if "stream" in asked:
            arguments.append(_stream(asked["stream"]))
        if "size" in asked:
            arguments.append(bytes(asked["size"]))
        try:
            given = await getattr(self.env[namespace], method)(*arguments, **options)
        except WflowError as error:
            told = {"name": type(error).__name__, "message": error.message}
            return Response.json({"error": told}, status=409)
        if hasattr(given, "__aiter__"):
            given = [piece.hex() async for piece in given]
        if isinstance(given, bytes):
            given = given.hex() if len(given) < 1_000 else len(given)
        return Response.json(given)


async def _stream(pieces: list[str]) -> Any:
    for piece in pieces:
        yield piece
