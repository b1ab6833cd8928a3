"""Workflows that use everything there is to use, so that their histories hold every kind of fact."""

from __future__ import annotations

import asyncio
import enum
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from wflow import Context, Event, NonRetryableError, StepInterrupted, WorkflowEntrypoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AT_ONCE = {"limit": 3, "delay": 1, "backoff": "constant"}
NEVER = {"limit": 0, "delay": 1}


async def double(number: int) -> int:
    return number * 2


async def late(number: int) -> int:
    await asyncio.sleep(0.005 * number)
    return number


def triple(number: int) -> int:
    return number * 3


async def stumbles(ctx: Any) -> str:
    if ctx.attempt < 3:
        raise ValueError(f"attempt {ctx.attempt}")
    return "stands"


async def breaks() -> None:
    raise KeyError("broken")


async def undo(output: object, error: object) -> None:
    del output, error


async def cannot_undo() -> None:
    raise NonRetryableError("it stays done")


class Steps(WorkflowEntrypoint):
    """One after the other, async and in threads, with the same name again."""

    async def run(self, event: Event, ctx: Context) -> list[int]:
        found = [await ctx.do("double", double, number) for number in event.payload["numbers"]]
        found.append(await ctx.do("triple", triple, 3))
        await ctx.sleep("nap", 1)
        await ctx.sleep_until("past", 1_000)
        found.append(await ctx.do("colour", lambda: len(self.env.COLOUR)))
        await self.env.KV.put("steps", str(found))
        return [*found, len(await self.env.KV.get("steps"))]


class Parallel(WorkflowEntrypoint):
    """Side by side in every way that asyncio knows."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        gathered = await asyncio.gather(*(ctx.do("gathered", late, 4 - n) for n in range(4)))
        first: list[int] = []
        for done in asyncio.as_completed([ctx.do("raced", late, 4 - n) for n in range(4)]):
            first.append(await done)  # noqa: PERF401 - as users write it
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ctx.do("grouped", late, n)) for n in (3, 1, 2)]
        lock, shared = asyncio.Semaphore(2), asyncio.Queue[int]()

        async def produce(number: int) -> None:
            async with lock:
                await shared.put(await ctx.do("queued", late, number))

        await asyncio.gather(*(produce(n) for n in (4, 3, 2, 1)))
        return {
            "gathered": gathered,
            "first": first,
            "grouped": [task.result() for task in tasks],
            "queue": [shared.get_nowait() for _ in range(4)],
        }


class Races(WorkflowEntrypoint):
    """Steps, sleeps and events against one another; the losers are given up."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        found: list[Any] = []
        quick = asyncio.create_task(ctx.do("quick", late, 1))
        nap = asyncio.create_task(ctx.sleep("long", "1 hour"))
        done, losers = await asyncio.wait([quick, nap], return_when=asyncio.FIRST_COMPLETED)
        found.append(sorted(type(task.result()).__name__ for task in done))
        for task in losers:
            task.cancel()
        try:
            async with asyncio.timeout(0.02):
                await ctx.wait_for_event("never", "never")
        except TimeoutError:
            found.append("timed out")
        found.append(await asyncio.wait_for(ctx.do("in time", double, 4), 60))
        await asyncio.sleep(0.001)
        return found


class Events(WorkflowEntrypoint):
    """Events that come before they are awaited, and after; and one that never does."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        early = await ctx.wait_for_event("early", "early", timeout="1 hour")
        later = await asyncio.gather(*(ctx.wait_for_event("later", "later") for _ in range(2)))
        try:
            await ctx.wait_for_event("absent", "absent", timeout="1 second")
        except TimeoutError as error:
            return [early.payload, *(one.payload for one in later), type(error).__name__]
        return []


class Children(WorkflowEntrypoint):
    """Other instances, awaited: one that gives, one that fails, one that is created by hand."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        found = [await ctx.call(self.env.CHILD, {"give": 5}, name="good")]
        try:
            await ctx.call(self.env.CHILD, {"fail": "as told"}, name="bad")
        except NonRetryableError as error:
            found.append(str(error))
        made = await self.env.CHILD.create(id=f"{event.instance_id}-by-hand", params={"give": 7})
        found.append(await ctx.do("its id", made_id, made.id))
        return found


async def made_id(given: str) -> str:
    return given


class Child(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> int:
        if "fail" in event.payload:
            raise NonRetryableError(event.payload["fail"])
        return await ctx.do("give", double, event.payload["give"])


class Retries(WorkflowEntrypoint):
    """Attempts that fail: some in the end go well, some never do."""

    async def run(self, event: Event, ctx: Context) -> list[str]:
        found = [await ctx.do("stumbles", stumbles, retries=AT_ONCE)]
        for options in ({"retries": NEVER}, {"retries": {"limit": 1, "delay": 1}}, {"at_most_once": True}):
            try:
                await ctx.do("breaks", breaks, **options)
            except KeyError as error:
                found.append(repr(error))
        try:
            await ctx.do("slow", asyncio.sleep, 60, timeout=5, retries=NEVER)
        except TimeoutError:
            found.append("timed out")
        return found


class Mishaps(WorkflowEntrypoint):
    """A step that kills its process, and is made again."""

    async def run(self, event: Event, ctx: Context) -> str:
        await ctx.do("before", double, 1)
        said = await ctx.do("dies", self._die, event.payload["gate"], retries=AT_ONCE)
        try:
            await ctx.do("once", self._die, event.payload["gate"] + "-once", at_most_once=True)
        except StepInterrupted as error:
            return f"{said}, {type(error).__name__}"
        return said

    def _die(self, gate: str) -> str:
        if not Path(gate).exists():
            Path(gate).touch()
            os._exit(1)
        return "lives"


class Failing(WorkflowEntrypoint):
    """An instance that fails, with all that an error can carry."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("sound", double, 1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(ctx.do("one", breaks, retries=NEVER))
                group.create_task(ctx.do("two", breaks, retries=NEVER))
        except ExceptionGroup as errors:
            error = NonRetryableError("all of it")
            error.add_note("a note")
            raise error from errors


class Undoing(WorkflowEntrypoint):
    """Steps that are undone."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("one", double, 1, rollback=undo)
        await asyncio.gather(*(ctx.do("more", late, n, rollback=undo) for n in (2, 1)))
        if event.payload.get("wait"):
            await ctx.wait_for_event("go", "go")
        raise NonRetryableError("undo it")


class UndoingBadly(WorkflowEntrypoint):
    """A step that cannot be undone."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("one", double, 1, rollback=undo)
        await ctx.do("two", double, 2, rollback=cannot_undo)
        raise NonRetryableError("undo it")


class Cancelling(WorkflowEntrypoint):
    """An instance that is cancelled, and puts things in order."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("before", double, 1)
        try:
            await asyncio.gather(ctx.sleep("long", "1 hour"), ctx.wait_for_event("never", "never"))
        finally:
            await ctx.do("after", double, 2)


class Mapping(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        whole = await ctx.map(double, range(7), concurrency=2)
        half = await ctx.map(odd, range(6), tolerated_failures="50%", retries=NEVER)
        some = await ctx.map(late, [5, 1, 3], name="some", min_successful=1)
        return {"whole": [*whole], "odd": [*half], "failed": [*half.failed], "some": len(some)}


async def odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"{number} is even")
    return number


class Polling(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> list[Any]:
        ready = await ctx.poll("ready", self._look, event.payload["gate"], every="1 second")
        try:
            await ctx.poll("never", self._nothing, every="1 second", timeout="1 second")
        except TimeoutError:
            return [ready, "timed out"]
        return [ready]

    def _look(self, gate: str) -> str | None:
        if Path(gate).exists():
            return "there"
        Path(gate).touch()
        return None

    async def _nothing(self) -> None:
        return None


class Patching(WorkflowEntrypoint):
    """A way that is new, and a step that bore another name."""

    async def run(self, event: Event, ctx: Context) -> list[int]:
        found = [await ctx.do("one", double, 1)]
        if ctx.patched("two more"):
            found += [await ctx.do("two", double, 2)]
        found += [await ctx.do("three", double, 3, formerly="drei")]
        if ctx.patched("and another"):
            found += [await ctx.do("four", double, 4)]
        return found


class Streaming(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> list[int]:
        stream: Any = await ctx.do("make", pieces)
        return [stream.size, await ctx.do("read", length, stream)]


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x" * 100_000


async def length(stream: Any) -> int:
    return len(await stream.read())


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Order:
    id: UUID
    total: Decimal
    colour: Colour
    at: datetime


class Typed(WorkflowEntrypoint):
    """Values of all types that can be kept, and types that come back."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        order = await ctx.do("order", make_order)
        again = await ctx.do("again", same_order, order)
        kept = await ctx.do("kept", make_values)
        waited = await ctx.wait_for_event("order", "order", timeout="1 hour", returns=list[int])
        return {"same": order == again, "colour": again.colour, "kept": kept, "sum": sum(waited.payload)}


async def make_order() -> Order:
    return Order(
        id=UUID(int=5), total=Decimal("9.90"), colour=Colour.RED, at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    )


async def same_order(order: Order) -> Order:
    return order


async def make_values() -> dict[str, Any]:
    return {
        "bytes": b"\x00\xff",
        "set": {"a", "b", "c"},
        "big": 2**80,
        "date": date(2026, 1, 2),
        "time": time(3, 4),
        "delta": timedelta(days=1, microseconds=5),
        "float": float("inf"),
        "nested": [{"a": [None, True, 1.5]}],
    }


class Chance(WorkflowEntrypoint):
    """Time, chance, and loops over sets: all of it the same on every replay."""

    async def run(self, event: Event, ctx: Context) -> list[str]:
        found = [str(ctx.uuid4()), f"{ctx.random():.6f}"]
        for name in {"apple", "pear", "plum", "cherry", "quince", "fig", "olive"}:  # noqa: PLC0208 - for its order
            eaten = await ctx.do(f"eat {name}", made_id, name)
            found.append(eaten)
        tasks = {asyncio.create_task(ctx.do("race", late, n)) for n in range(5)}
        done, _ = await asyncio.wait(tasks)
        found += [str(task.result()) for task in done]
        if ctx.random() < 0.5:
            found.append(await ctx.do("heads", made_id, "heads"))
        else:
            found.append(await ctx.do("tails", made_id, "tails"))
        found.append(await ctx.do("at", made_id, ctx.now().isoformat()))
        return found


class Telling(WorkflowEntrypoint):
    """Lines, progress, state, tags, and a secret."""

    async def run(self, event: Event, ctx: Context) -> int:
        ctx.log("it begins", {"colour": self.env.COLOUR})
        ctx.progress(1, 3, "one")
        ctx.set_tags(["told"])
        secret = await ctx.do("secret", made_id, "s3cret", sensitive="output")
        ctx.set_state({"length": len(secret)})
        ctx.log("it ends", level="warn")
        print("printed")  # noqa: T201 - as users do
        return len(secret)


class Decorating(WorkflowEntrypoint):
    """Steps as decorated functions."""

    async def run(self, event: Event, ctx: Context) -> int:
        @ctx.do("one")
        async def one() -> int:
            return 1

        @ctx.do("two")
        async def two() -> int:
            return 2

        @ctx.do("both", depends=[one, two], concurrent=True)
        async def both(one: int, two: int) -> int:
            return one + two

        return await both() + await one()


class Unawaited(WorkflowEntrypoint):
    """Steps that go on when `run` has returned."""

    async def run(self, event: Event, ctx: Context) -> str:
        self.task = asyncio.create_task(ctx.do("left", late, 3))
        await ctx.do("awaited", late, 1)
        return "done"


class Resting(WorkflowEntrypoint):
    """An instance that is not over: it waits, in several places."""

    async def run(self, event: Event, ctx: Context) -> object:
        await ctx.do("before", double, 1)
        await ctx.do("bad", stumbles, retries=AT_ONCE)
        nap, wait = ctx.sleep("long", "300 days"), ctx.wait_for_event("go", "go", timeout="300 days")
        return await asyncio.gather(nap, wait, ctx.do("beside", double, 2))


class Looping(WorkflowEntrypoint):
    """Many visits of few steps; it is restarted from one of them."""

    async def run(self, event: Event, ctx: Context) -> int:
        total = 0
        for number in range(30):
            total += await ctx.do("add", double, number)
            if number % 10 == 9:
                await ctx.sleep("breath", 1)
        return total
