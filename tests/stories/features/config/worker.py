"""A Worker that tells what its config gives it."""

from __future__ import annotations

from hashlib import sha256

from wflow import Context, Event, Request, Response, WorkerEntrypoint, WorkflowEntrypoint


class Default(WorkerEntrypoint):
    """Tells of its `env`, and uses each of its bindings."""

    async def fetch(self, request: Request) -> Response:
        if request.path == "/bound":
            return Response.json(await self._use())
        secret = getattr(self.env, "API_KEY", None)
        return Response.json(
            {
                "greeting": self.env.GREETING,
                "rules": getattr(self.env, "RULES", None),
                "secret": None if secret is None else sha256(secret.encode()).hexdigest(),
                "other": hasattr(self.env, "OTHER"),
            }
        )

    async def queue(self, batch: object) -> None:
        for message in batch.messages:  # type: ignore[attr-defined]
            await self.env.KV.put("job", message.body)

    async def _use(self) -> dict[str, object]:
        await self.env.KV.put("seen", "yes")
        await self.env.JOBS.send("job 1")
        found = await self.env.DB.prepare("SELECT 1 + 1 AS two").first()
        return {"kv": await self.env.KV.get("seen"), "two": found["two"], "job": await self.env.KV.get("job")}


class Order(WorkflowEntrypoint):
    """As many steps as it is told."""

    async def run(self, event: Event, ctx: Context) -> int:
        for number in range(event.payload["steps"]):
            await ctx.do(f"step {number}", _nothing)
        if event.payload.get("wait"):
            await ctx.wait_for_event("go", "go", timeout="1 hour")
        return int(event.payload["steps"])


def _nothing() -> None:
    """Do nothing."""
