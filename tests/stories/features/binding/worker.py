"""Every method of a workflow's binding, each behind a path of its own: the table's group C."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from effects import tell  # type: ignore[import-not-found]

from wflow import (
    Context,
    Event,
    InstanceTerminated,
    NonRetryableError,
    Request,
    Response,
    WflowError,
    WorkerEntrypoint,
    WorkflowEntrypoint,
    WorkflowTimeoutError,
)

POLL_S = 0.01


class Order(WorkflowEntrypoint):
    """Two steps with a wait between them, and what undoes them; it fails when it is told to."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        price = await ctx.do("price", self._say, event.instance_id, "price", rollback=self._undo)
        came = await ctx.wait_for_event("payment", "paid", timeout="1 hour")
        if came.payload == "nothing":
            raise NonRetryableError("not paid")
        await ctx.sleep("think", 1)
        ship = await ctx.do("ship", self._say, event.instance_id, "ship", rollback=self._undo)
        return {"params": event.payload, "steps": [price, ship], "paid": came.payload}

    def _say(self, who: str, what: str) -> str:
        tell(self.env.WITNESS, who, what)
        return what

    def _undo(self, step_name: str, ctx: Any) -> None:
        tell(self.env.WITNESS, "undone", step_name)


class Gated(WorkflowEntrypoint):
    """A step that ends when a file is there, or a sleep; then another step."""

    async def run(self, event: Event, ctx: Context) -> str:
        if "sleep" in event.payload:
            await ctx.sleep("nap", event.payload["sleep"])
            return "slept"
        if "until" in event.payload:
            await ctx.sleep_until("nap", event.timestamp + timedelta(milliseconds=event.payload["until"]))
            return "slept"
        await ctx.do("work", self._work, event.instance_id, event.payload["gate"])
        return await ctx.do("after", str, "after")

    async def _work(self, who: str, gate: str) -> None:
        tell(self.env.WITNESS, who, "works")
        while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240 - it is opened from outside
            await asyncio.sleep(POLL_S)


class Tagged(WorkflowEntrypoint):
    """It says by its tags how far it is."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("find the customer", str, "smith")
        ctx.set_tags([*event.payload, "customer:smith"])
        ctx.progress(1, 2, "half of it")
        ctx.set_state({"customer": "smith"})
        await ctx.wait_for_event("payment", "paid")


class Default(WorkerEntrypoint):
    """`POST /ORDER/create` calls `self.env.ORDER.create`, `POST /ORDER/1/pause` its instance's `pause`."""

    async def fetch(self, request: Request) -> Response:
        workflow, *id_, method = request.path.strip("/").split("/")
        asked = await request.json()
        try:
            if id_:
                instance = await self.env[workflow].get(id_[0])
                return Response.json(await self._of_instance(instance, method, asked))
            return Response.json(await self._of_workflow(self.env[workflow], method, asked))
        except (WflowError, InstanceTerminated, WorkflowTimeoutError, NonRetryableError) as error:
            told = {"name": type(error).__name__, "code": getattr(error, "code", None), "message": str(error)}
            return Response.json({"error": told}, status=409)

    async def _of_workflow(self, workflow: Any, method: str, asked: Any) -> Any:
        match method:
            case "create":
                return (await workflow.create(asked)).id
            case "create_or_find":
                return (await workflow.create(**asked, exists="return")).id
            case "create_batch" if isinstance(asked, list):
                return [instance.id for instance in await workflow.create_batch(asked)]
            case "create_batch":
                made = await workflow.create_batch(asked)
                return {"created": [instance.id for instance in made.created], "errors": made.errors}
            case "get":
                return (await workflow.get(asked)).id
            case "list":
                page = await workflow.list(**asked)
                return {"instances": [one.listed for one in page.instances], "cursor": page.cursor}
            case "delete_batch":
                return await workflow.delete_batch(asked)
        return "no such method"

    async def _of_instance(self, instance: Any, method: str, asked: Any) -> Any:
        match method:
            case "status":
                return await instance.status(**asked)
            case "pause" | "resume" | "cancel" | "delete":
                return await getattr(instance, method)()
            case "restart" | "terminate":
                return await getattr(instance, method)(asked or None)
            case "send_event":
                return await instance.send_event(asked)
            case "result":
                return await instance.result(asked)
            case "subscribe":
                return [dict(event) async for event in await instance.subscribe(asked)]
        return "no such method"
