"""A Worker that sends to queues what it is asked to, and consumes some of them as their messages say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from effects import tell  # type: ignore[import-not-found]

from wflow import Request, Response, WorkerEntrypoint, WorkflowEntrypoint


class Order(WorkflowEntrypoint):
    """What a consumer begins."""

    async def run(self, event: Any, ctx: Any) -> object:
        """Tell that it was."""
        await ctx.do("note", tell, self.env.WITNESS, "ordered", event.payload["order"])
        return event.payload


class Sender(WorkflowEntrypoint):
    """Sends in a step, which may fail afterwards."""

    async def run(self, event: Any, ctx: Any) -> object:
        """Send, and fail as often as it is told to."""

        return await ctx.do("send", self._send, event.payload, retries={"limit": 5, "delay": 1})

    async def _send(self, asked: dict[str, Any], ctx: Any) -> int:
        await self.env.JOBS.send({"from": asked["name"]})
        tell(self.env.WITNESS, "sending", asked["name"])
        if ctx.attempt <= asked["failures"]:
            raise ValueError("not yet")
        return int(ctx.attempt)


class Default(WorkerEntrypoint):
    """Sends and consumes."""

    async def fetch(self, request: Request) -> Any:
        """Call a method of a binding: `POST /JOBS/send {"body": ..., "options": ...}`."""
        _, name, method = request.url.partition("://")[2].split("/")
        asked = await request.json()
        binding = getattr(self.env, name)
        try:
            if method == "bytes":
                answer = await binding.send(bytes(asked["body"]), contentType="bytes")
            elif method == "set":
                answer = await binding.send({1, 2}, content_type="v8")
            elif "body" in asked:
                given = [asked["options"]] if "options" in asked else []
                answer = await getattr(binding, method)(asked["body"], *given, **asked.get("named", {}))
            else:
                answer = await getattr(binding, method)()
        except Exception as error:  # noqa: BLE001
            shown = {"name": type(error).__name__, "message": str(error)}
            return Response.json({"error": shown}, status=409)
        return Response.json(answer)

    async def queue(self, batch: Any, env: Any, ctx: Any) -> None:
        """Do with each message what it says."""
        tell(self.env.WITNESS, "batch", json.dumps([batch.queue, len(batch.messages)]))
        for message in batch.messages:
            body = message.body
            told = sorted(body) if isinstance(body, set) else list(body) if isinstance(body, bytes) else body
            tell(self.env.WITNESS, "got", json.dumps([batch.queue, message.id, message.attempts, told]))
            if isinstance(body, dict):
                await self.do(body, batch, message, ctx)

    async def do(self, body: dict[str, Any], batch: Any, message: Any, ctx: Any) -> None:
        """Obey."""
        if message.attempts <= body.get("fail", 0):
            raise ValueError(f"fail {message.attempts}")
        if message.attempts <= body.get("retry", 0):
            message.retry(delay_seconds=body.get("delay", 0))
        if "ack" in body:
            message.ack()
        if "ack_all" in body:
            batch.ackAll()
        if "retry_all" in body and message.attempts == 1:
            batch.retry_all(delay_seconds=0)
        if "order" in body:
            await self.env.ORDER.create(id=f"order-{body['order']}", params=body)
        if "later" in body:
            ctx.wait_until(self.later(body["later"]))
        if gate := body.get("gate"):
            tell(self.env.WITNESS, "waits", message.id)
            while not await asyncio.to_thread(Path(gate).exists):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
            tell(self.env.WITNESS, "goes", message.id)

    async def later(self, what: str) -> None:
        """Do something when the batch is done."""
        await asyncio.sleep(0)
        tell(self.env.WITNESS, "later", what)
