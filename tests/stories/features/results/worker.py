"""What becomes of steps, and more, a class or a few for each of the features from A23 on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effects import tell  # type: ignore[import-not-found]

from wflow import Context, Event, Stream, WorkflowEntrypoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MIB = 1024 * 1024
POLL_S = 0.01


async def meet(mine: asyncio.Event, other: asyncio.Event) -> str:
    mine.set()
    await other.wait()
    return "met"


class Streams(WorkflowEntrypoint):
    """A23: a result too big for a value is a stream, which steps read as often as they like."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        film: Any = await ctx.do("film", self._film)
        tell(self.env.WITNESS, event.instance_id, film.size, film.digest)
        await ctx.wait_for_event("go on", "go")
        return [film.size, film.digest, await ctx.do("watch", self._watch, film)]

    async def _film(self) -> AsyncIterator[bytes]:
        for start in range(0, 3 * MIB, 100_000):
            yield bytes(number % 251 for number in range(start, min(start + 100_000, 3 * MIB)))

    async def _watch(self, film: Stream) -> int:
        return sum([len(piece) async for piece in film])


class Secret(WorkflowEntrypoint):
    """A24: a value that only the workflow sees."""

    async def run(self, event: Event, ctx: Context) -> bool:
        told = await ctx.do("password", lambda: "swordfish", sensitive="output")
        ctx.log("got it", {"letters": len(told)})
        return told == "swordfish"


class Undone(WorkflowEntrypoint):
    """A25: what was done is undone in reverse, the step that failed too; a caught error undoes nothing."""

    async def run(self, event: Event, ctx: Context) -> None:
        try:
            await ctx.do("caught", fail, "by the way", retries={"limit": 0, "delay": 0})
        except ValueError:
            tell(self.env.WITNESS, event.instance_id, "goes on")
        quick = asyncio.Event()
        await asyncio.gather(
            ctx.do("slow", self._after, quick, rollback=self._undo),
            ctx.do("quick", self._before, quick, rollback=self._undo),
        )
        await ctx.do("plain", lambda: "nothing to undo")
        begun = asyncio.Event()
        await asyncio.gather(
            ctx.do("cut off", self._for_ever, begun, rollback=self._undo),
            ctx.do("failed", self._fail, begun, retries={"limit": 0, "delay": 0}, rollback=self._undo),
        )

    async def _after(self, event: asyncio.Event) -> str:
        await event.wait()
        return "slow is done"

    async def _before(self, event: asyncio.Event) -> str:
        event.set()
        return "quick is done"

    async def _for_ever(self, event: asyncio.Event) -> None:
        event.set()
        await asyncio.sleep(600)

    async def _fail(self, event: asyncio.Event) -> None:
        await event.wait()
        fail("broken")

    async def _undo(self, ctx: Any, error: Exception, output: Any, step_name: str) -> None:
        tell(self.env.WITNESS, "undo", step_name, ctx.attempt, output, type(error).__name__, error)


def fail(message: str) -> None:
    raise ValueError(message)


class Persistent(WorkflowEntrypoint):
    """A26: a rollback has retries and a timeout of its own."""

    async def run(self, event: Event, ctx: Context) -> None:
        async def cancel(ctx: Any, output: str) -> None:
            tell(self.env.WITNESS, event.instance_id, "cancels", output, ctx.attempt)
            if ctx.attempt == 1:
                await asyncio.sleep(600)
            if ctx.attempt < 4:
                raise ConnectionError("busy")

        of_rollback = {"retries": {"limit": 3, "delay": 1, "backoff": "constant"}, "timeout": 50}
        await ctx.do("book", lambda: "room 7", rollback=cancel, rollback_config=of_rollback)
        raise ValueError("no flight")


class HalfUndone(WorkflowEntrypoint):
    """A27: the first rollback that fails ends it."""

    async def run(self, event: Event, ctx: Context) -> None:
        once = {"retries": {"limit": 0, "delay": 0}}
        await ctx.do("first", lambda: 1, rollback=lambda: tell(self.env.WITNESS, "first undone"))
        await ctx.do("second", lambda: 2, rollback=lambda: fail("stuck"), rollback_config=once)
        await ctx.do("third", lambda: 3, rollback=lambda: tell(self.env.WITNESS, "third undone"))
        raise KeyError("lost")


class Gives(WorkflowEntrypoint):
    """A28: what `run` returns is the instance's output."""

    async def run(self, event: Event, ctx: Context) -> Any:
        return event.payload


class Baking(WorkflowEntrypoint):
    """A29, A30, A31: Cloudflare's Python: steps are decorated functions that take each other's results."""

    async def run(self, event, step):
        @step.do()
        async def flour():
            return tell(self.env.WITNESS, event["instanceId"], "flour") or event["payload"]["loaves"]

        @step.do("heat the oven", config={"retries": {"limit": 1, "delay": 0}})
        def heat(ctx):
            if ctx["attempt"] == 1:
                raise RuntimeError("no gas")
            return 220

        @step.do("knead")
        async def kneading(flour):
            return f"dough for {flour}"

        @step.do("bake", depends=[kneading, heat, flour])
        async def bake(dough, degrees, loaves):
            return [dough, degrees, loaves]

        return await bake()


class Misused(WorkflowEntrypoint):
    """A29, A30, A31: what a decorated step cannot be; the error says what to do."""

    async def run(self, event: Event, ctx: Context) -> list[str]:
        @ctx.do("knead")
        async def kneading() -> str:
            return "dough"

        @ctx.do()
        async def unknown(oven: str) -> None: ...

        @ctx.do()
        async def by_function(kneading: str) -> None: ...

        @ctx.do(depends=[kneading])
        async def too_many(dough: str, oven: str) -> None: ...

        told = []
        for call in (unknown, by_function, too_many, lambda: kneading("dough")):
            try:
                await call()
            except TypeError as error:
                told.append(str(error))
        return told


class Together(WorkflowEntrypoint):
    """A32: dependencies that run side by side, and those that do not."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        left, right = asyncio.Event(), asyncio.Event()

        @ctx.do()
        async def one() -> str:
            return await meet(left, right)

        @ctx.do()
        async def other() -> str:
            return await meet(right, left)

        @ctx.do(concurrent=True)
        async def both(one: str, other: str) -> list[str]:
            return [one, other]

        return await both()


class Parent(WorkflowEntrypoint):
    """A33, A34: another workflow is started in a step, or called and waited for."""

    async def run(self, event: Event, ctx: Context) -> Any:
        if event.payload["how"] == "start":
            return await ctx.do("start a child", self._start, event.instance_id)
        try:
            given = event.payload["give"]
            return await ctx.call(self.env.CHILD, given, name="child", id=event.payload.get("id"))
        except ValueError as error:
            return [type(error).__name__, str(error), *error.__notes__]

    async def _start(self, who: str) -> str:
        child = await self.env.CHILD.create(id=f"{who}-child", params="by itself")
        return str(child.id)


class Child(WorkflowEntrypoint):
    """A33, A34: it waits for a word, and gives what it was given; or fails."""

    async def run(self, event: Event, ctx: Context) -> Any:
        try:
            await ctx.wait_for_event("a word", "go")
        except asyncio.CancelledError:
            await ctx.do("say goodbye", lambda: tell(self.env.WITNESS, event.instance_id, "goodbye"))
            raise
        if event.payload == "an error":
            raise ValueError("the child fell")
        return {"given": event.payload}


class Cancelled(WorkflowEntrypoint):
    """A35: asked to end, the step that runs is cancelled, and the code puts things in order."""

    async def run(self, event: Event, ctx: Context) -> None:
        try:
            await ctx.do("long", self._long, rollback=lambda: tell(self.env.WITNESS, "long undone"))
        except asyncio.CancelledError:
            await ctx.do("clean up", lambda: tell(self.env.WITNESS, "cleaned up"))
            raise

    async def _long(self) -> None:
        tell(self.env.WITNESS, "long begins")
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            tell(self.env.WITNESS, "long is cancelled")
            raise


class Logs(WorkflowEntrypoint):
    """A37: a line of `run` is written once, however often the code is replayed; a step's has its step."""

    async def run(self, event: Event, ctx: Context) -> None:
        ctx.log("in run", {"number": 1})
        await ctx.do("talk", lambda: ctx.log("in a step", level="warn"))
        tell(self.env.WITNESS, event.instance_id, "passes")
        await ctx.wait_for_event("go on", "go")


class Chances(WorkflowEntrypoint):
    """A38: time and chance that are the same on every replay, without a step."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        drawn = [ctx.now(), ctx.uuid4(), ctx.random(), ctx.random()]
        tell(self.env.WITNESS, event.instance_id, *drawn)
        await ctx.wait_for_event("go on", "go")
        return drawn


class Renamed(WorkflowEntrypoint):
    """A39: what happens to an instance whose code asks for another step than it did."""

    async def run(self, event: Event, ctx: Context) -> str:
        await ctx.do("before", lambda: 1)
        await ctx.wait_for_event("go on", "go")
        return "done"


class Progress(WorkflowEntrypoint):
    """A41: a step says how far it is; who asks for the status sees it, whatever happens to the process."""

    async def run(self, event: Event, ctx: Context) -> str:
        def work() -> str:
            ctx.progress(3, 10, "loading")
            return "loaded"

        async def finish() -> str:
            while not Path(event.payload["gate"]).exists():  # noqa: ASYNC110, ASYNC240 - it is opened from outside
                await asyncio.sleep(POLL_S)
            ctx.progress(10, 10)
            return "done"

        ctx.set_state({"phase": await ctx.do("work", work)})
        return await ctx.do("finish", finish)
