"""What an attempt has left behind does nothing to others any more."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from wflow import Context, Event, InvalidInput, WorkflowEntrypoint

if TYPE_CHECKING:
    from wflow.testing import Kit

TOLD: list[str] = []
SECOND = threading.Event()
OVER = threading.Event()


class Leaving(WorkflowEntrypoint):
    """Its steps leave a task, and a thread, that put something when nobody waits for it any more."""

    async def run(self, event: Event, ctx: Context) -> None:
        if event.payload == "task":
            await ctx.do("leave", self.leave)
            await ctx.do("wait", self.wait)
        else:
            await ctx.do("thread", self.block, timeout=20, retries={"limit": 1, "delay": 1})

    async def leave(self) -> None:
        await self.env.KV.put("in time", "kept")
        self.left = asyncio.create_task(self.later())

    async def later(self) -> None:
        await asyncio.sleep(0)
        await self.put("task")

    async def wait(self) -> None:
        await self.left

    async def put(self, key: str) -> None:
        try:
            await self.env.KV.put(key, "too late")
        except InvalidInput as refused:
            TOLD.append(refused.message)

    def block(self, ctx: Any) -> None:
        if ctx.attempt == 1:
            SECOND.wait()
            asyncio.run(self.put("thread"))
            OVER.set()
        else:
            SECOND.set()
            OVER.wait()
            asyncio.run(self.env.KV.put("in time", "second"))


pytestmark = pytest.mark.wflow({"LEAVING": Leaving}, kv=["KV"])


async def test_a_task_that_a_step_left_behind_is_refused(wflow: Kit) -> None:
    TOLD.clear()
    await (await wflow.env.LEAVING.create(params="task")).result()
    assert TOLD == ["attempt 1 of step 'leave-1' is over: what it does now is not kept"]
    assert [await wflow.env.KV.get(key) for key in ("in time", "task")] == ["kept", None]


async def test_a_thread_that_runs_on_after_its_timeout_is_refused(wflow: Kit) -> None:
    TOLD.clear()
    await (await wflow.env.LEAVING.create(params="thread")).result()
    assert TOLD == ["attempt 1 of step 'thread-1' is over: what it does now is not kept"]
    assert [await wflow.env.KV.get(key) for key in ("in time", "thread")] == ["second", None]
