"""The agent: it thinks, uses a tool, looks at what came of it, and thinks again, until it has an answer.

Each thought and each use of a tool is a durable step: after a crash or a deploy the agent goes on where it
was, and nothing that was paid for is paid for twice.
"""

from __future__ import annotations

from typing import Any

import httpx
from wflow import Context, Event, NonRetryableError, WorkflowEntrypoint, WorkflowTimeoutError

from tools import TOOLS, arguments

THOUGHTS = 20
"""How often an agent thinks at the most."""
BUDGET = 50_000
"""How many tokens it may use, unless it is told."""
SYSTEM = "You are a careful assistant. Use the tools you are given; answer in one sentence when you are done."


class Agent(WorkflowEntrypoint):
    """Reach a goal with a model and tools."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        goal = event.payload.get("goal")
        if not isinstance(goal, str) or not goal:
            raise NonRetryableError('the payload has no goal: give it as {"goal": "..."}')
        budget = event.payload.get("budget", BUDGET)
        url = event.payload.get("model_url") or self.env.MODEL_URL
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": goal}]
        used = 0

        for _ in range(THOUGHTS):
            thought = await ctx.do("think", self._think, url, messages, timeout="2 minutes")
            used += thought["tokens"]
            ctx.set_state({"goal": goal, "tokens": used, "budget": budget})
            if used > budget:
                raise NonRetryableError(f"the budget is used up: {used:,} of {budget:,} tokens")

            message = thought["message"]
            messages.append(message)
            calls = message.get("tool_calls") or []
            if not calls:
                return {"answer": message["content"], "tokens": used}
            for call in calls:
                said = await self._use(call, ctx)
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})

        raise NonRetryableError(f"no answer after {THOUGHTS} thoughts")

    async def _think(self, url: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Ask the model what to do next; when this raises, it is asked again, after a pause that grows."""
        headers = (
            {"authorization": f"Bearer {self.env.MODEL_KEY}"} if "MODEL_KEY" in self.env else {}
        )
        asked = {
            "model": self.env.MODEL_NAME,
            "messages": messages,
            "tools": [tool.described(name) for name, tool in TOOLS.items()],
        }
        async with httpx.AsyncClient(timeout=110) as client:
            answer = await client.post(url, json=asked, headers=headers)
        answer.raise_for_status()
        said = answer.json()
        return {"message": said["choices"][0]["message"], "tokens": said["usage"]["total_tokens"]}

    async def _use(self, call: dict[str, Any], ctx: Context) -> str:
        """Use a tool, if a person approves where that is needed; give what the model is told of it."""
        name = call["function"]["name"]
        tool = TOOLS.get(name)
        if tool is None:
            return f"there is no tool called {name!r}"
        try:
            given = arguments(call)
        except ValueError as wrong:
            return f"the arguments make no sense: {wrong}"

        if tool.needs_approval:
            ctx.set_state({"waits_for": "approval", "of": name, "with": given})
            try:
                approval = await ctx.wait_for_event(
                    f"approve {name}", type="approval", timeout="1 day"
                )
            except WorkflowTimeoutError:
                return "nobody has approved within a day"
            if not approval.payload.get("approved"):
                return f"a person said no: {approval.payload.get('why', 'without a reason')}"

        async def use() -> object:
            return await tool.run(self.env, **given)

        try:
            return str(await ctx.do(name, use, retries={"limit": 2, "delay": "1 second"}))
        except Exception as error:  # noqa: BLE001 - whatever a tool raises, the model hears of it
            return f"that failed: {error}"
