"""What the engine does with workflow code, a class or a few for each feature of the table's group B."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from effects import tell  # type: ignore[import-not-found]

from wflow import Context, Event, StepInterrupted, TooLarge, UnserializableError, WorkflowEntrypoint

VERSION = "one"
RETRIES = {"limit": 1, "delay": 1, "backoff": "constant"}
ONCE = {"limit": 0, "delay": 1}
POLL_S = 0.01


async def pass_through(gate: str) -> None:
    """Wait until a file is there."""
    while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240 - it is opened from outside
        await asyncio.sleep(POLL_S)


class Replayed(WorkflowEntrypoint):
    """B1: `run` is played anew in another process, its finished steps are not."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        tell(self.env.WITNESS, "replayed", "run")
        one = await ctx.do("one", self._do, "one")
        came = await ctx.wait_for_event("go on", "go")
        return [one, came.payload, await ctx.do("two", self._do, "two")]

    def _do(self, what: str) -> str:
        tell(self.env.WITNESS, "replayed", what)
        return what


class SoldOut(Exception):
    """An error of the project's own."""

    def __init__(self, item: str, left: int) -> None:
        super().__init__(f"{left} of {item}")
        self.item, self.left = item, left


class Failed(WorkflowEntrypoint):
    """B2: the error that a step ended with is raised again on a replay, as it was."""

    async def run(self, event: Event, ctx: Context) -> str:
        try:
            await ctx.do("buy", self._buy, retries=ONCE)
        except SoldOut as error:
            tell(self.env.WITNESS, "failed", type(error).__name__, error, error.item, error.left)
        await ctx.wait_for_event("go on", "go")
        return "did without"

    def _buy(self) -> None:
        tell(self.env.WITNESS, "bought")
        raise SoldOut("rye", 0)


class Frozen(WorkflowEntrypoint):
    """B3: the settings that a step began with hold, whatever the code says meanwhile."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("try", self._try, event.payload, retries=RETRIES)

    async def _try(self, gate: str, ctx: Any) -> None:
        tell(self.env.WITNESS, "tries", VERSION, ctx.config.retries.limit)
        await pass_through(gate)
        raise RuntimeError(f"attempt {ctx.attempt} of {VERSION}")


class CutOff(WorkflowEntrypoint):
    """B4: an attempt whose process died is made again; one that must not be is an error."""

    async def run(self, event: Event, ctx: Context) -> str:
        try:
            at_most_once = event.payload["at_most_once"]
            return await ctx.do(
                "work", self._work, event.payload["gate"], retries=ONCE, at_most_once=at_most_once
            )
        except StepInterrupted as error:
            return type(error).__name__

    async def _work(self, gate: str) -> str:
        await pass_through(gate)
        return "done"


class Undoing(WorkflowEntrypoint):
    """B4: what had been undone when the process died is not undone again; the rest is."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("first", lambda: 1, rollback=lambda: tell(self.env.WITNESS, "undo", "first"))
        await ctx.do("second", lambda: 2, rollback=lambda: pass_through(event.payload))
        await ctx.do("third", lambda: 3, rollback=lambda: tell(self.env.WITNESS, "undo", "third"))
        raise ValueError("as it was told")


class Timers(WorkflowEntrypoint):
    """B5: what a sleep, or the wait for the next attempt, has left counts from its beginning."""

    async def run(self, event: Event, ctx: Context) -> str:
        if event.payload["how"] == "sleep":
            await ctx.sleep("nap", event.payload["ms"])
        retries = {"limit": 1, "delay": event.payload["ms"], "backoff": "constant"}
        return await ctx.do("try", self._try, event.payload["how"], retries=retries)

    def _try(self, how: str, ctx: Any) -> str:
        if how == "retry" and ctx.attempt == 1:
            raise ConnectionError("try again")
        return "done"


class Place(WorkflowEntrypoint):
    """B6 to B14: it may rest first; then it holds a place until its gate is open."""

    async def run(self, event: Event, ctx: Context) -> None:
        match event.payload.get("first"):
            case "sleep":
                await ctx.sleep("rest", "1 hour")
            case "event":
                await ctx.wait_for_event("rest", "go")
            case "retry":
                await ctx.do("rest", self._fail, retries={"limit": 1, "delay": "1 hour"})
        await ctx.do("work", self._work, event.instance_id, event.payload["gate"])

    def _fail(self) -> None:
        raise ConnectionError("try again")

    async def _work(self, who: str, gate: str) -> None:
        tell(self.env.WITNESS, "begins", who)
        await pass_through(gate)
        tell(self.env.WITNESS, "ends", who)


class Stepping(WorkflowEntrypoint):
    """B15: as many steps as it is asked for, and a sleep after each, which is none of them."""

    async def run(self, event: Event, ctx: Context) -> Any:
        for number in range(event.payload):
            await ctx.do("step", int, number)
            await ctx.sleep("pause", 1)
        return event.payload


class Sized(WorkflowEntrypoint):
    """B16: results of a size, until there is no room; what is over a limit can be caught."""

    async def run(self, event: Event, ctx: Context) -> Any:
        size, count = event.payload["bytes"], event.payload.get("count", 1)
        for number in range(count):
            try:
                made = await ctx.do("make", lambda: "x" * size, retries=ONCE)
            except (UnserializableError, TooLarge) as error:
                return [number, type(error).__name__, str(error)]
        return [made] * event.payload["give"] if "give" in event.payload else len(made)


class Kept(WorkflowEntrypoint):
    """B17: it is over at once, in either way."""

    async def run(self, event: Event, ctx: Context) -> None:
        if event.payload == "fail":
            raise ValueError("as it was told")


class Unkeepable(WorkflowEntrypoint):
    """B20: a result that cannot be kept fails at once, and can be caught; or else undoes what was done."""

    async def run(self, event: Event, ctx: Context) -> str | None:
        await ctx.do("first", lambda: 1, rollback=lambda: tell(self.env.WITNESS, "unkeepable", "undone"))
        try:
            await ctx.do("function", lambda: {"answers": [1, len]})
        except UnserializableError as error:
            if event.payload == "catch":
                return str(error)
            raise
        return None


class Faithful(WorkflowEntrypoint):
    """B21: an error comes out of a step as it went in."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        try:
            await ctx.do("sell", self._sell, retries=ONCE)
        except SoldOut as error:
            if event.payload == "raise":
                raise
            return {
                "error": [type(error).__name__, str(error), error.item, error.left],
                "cause": [type(error.__cause__).__name__, str(error.__cause__)],
                "notes": error.__notes__,
            }
        return {}

    def _sell(self) -> None:
        stock: dict[str, int] = {}
        try:
            stock["rye"]
        except KeyError as missing:
            error = SoldOut("rye", 0)
            error.add_note("a note")
            raise error from missing


class Versioned(WorkflowEntrypoint):
    """B23, B29: which version of the code ran it, before and after a deploy."""

    async def run(self, event: Event, ctx: Context) -> list[str]:
        begun = await ctx.do("work", self._work, event.payload, retries=ONCE)
        await ctx.wait_for_event("go on", "go")
        return [begun, VERSION]

    async def _work(self, gate: str) -> str:
        tell(self.env.WITNESS, "versioned", VERSION)
        await pass_through(gate)
        return VERSION
