"""Steps and waits, a class or a few for each of the features A1 to A22."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from effects import tell  # type: ignore[import-not-found]

from wflow import Context, Event, NonRetryableError, WorkflowEntrypoint, WorkflowTimeoutError

AT_ONCE = {"limit": 2, "delay": 0, "backoff": "constant"}
"""Three attempts, one right after the other."""


class Entrypoint(WorkflowEntrypoint):
    """A1: what the config declares is in `self.env`, in `run` and in steps."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        await self.env.KV.put("greeting", self.env.GREETING)
        return {"in_run": await self.env.KV.get("greeting"), "in_step": await ctx.do("read", self._read)}

    async def _read(self) -> Any:
        return await self.env["KV"].get("greeting")


class Told(WorkflowEntrypoint):
    """A2: what `run` is told of its instance, in both spellings; nobody can change it."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        refused = []
        for change in (lambda: setattr(event, "payload", 1), lambda: event.__setitem__("payload", 1)):
            try:
                change()
            except (AttributeError, TypeError) as no:
                refused.append(type(no).__name__)
        return {
            "payload": event.payload,
            "timestamp": event.timestamp,
            "ids": [event.instance_id, event["instanceId"]],
            "names": [event.workflow_name, event["workflowName"]],
            "same": event["payload"] == event.payload and event["timestamp"] == event.timestamp,
            "refused": refused,
        }


class Steps(WorkflowEntrypoint):
    """A4: functions called durably, async and plain ones, with arguments."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        total = await ctx.do("add", self._add, event.instance_id, 2, 3)
        pair = await ctx.do("pair", lambda: (total, total))
        return {"total": total, "pair": pair, "is_a_list": isinstance(pair, list)}

    async def _add(self, who: str, one: int, other: int) -> int:
        tell(self.env.WITNESS, who, "adds")
        return one + other


class Configured(WorkflowEntrypoint):
    """A5, A7, A10, A13, A19: the settings of a step, as the step itself sees them."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        return [await ctx.do("settings", self._settings, **options) for options in event.payload["options"]]

    def _settings(self, ctx: Any) -> Any:
        return ctx.config


class Failing(WorkflowEntrypoint):
    """A6, A8: a step that fails as often as it may; what `run` gets is its last error."""

    async def run(self, event: Event, ctx: Context) -> str:
        try:
            await ctx.do("fail", self._fail, retries=event.payload["retries"])
        except RuntimeError as error:
            return str(error)
        return "never"

    def _fail(self, ctx: Any) -> None:
        raise RuntimeError(f"attempt {ctx.attempt}")


class Paced(WorkflowEntrypoint):
    """A9: how long to wait is for a function to say, of the attempt and its error."""

    async def run(self, event: Event, ctx: Context) -> str:
        delay = {"grows": self._delay, "raises": self._raises, "nonsense": lambda: "soon", "late": self._late}
        retries = {"limit": 3, "delay": delay[event.payload], "backoff": "exponential"}
        try:
            await ctx.do("try", self._fail, retries=retries)
        except Exception as error:  # noqa: BLE001 - which one is what the test wants to know
            return f"{type(error).__name__}: {error}"
        return "never"

    def _fail(self) -> None:
        raise ConnectionError("refused")

    def _delay(self, ctx: Any, error: Exception) -> int:
        return 10 * ctx.attempt if isinstance(error, ConnectionError) else 60_000

    async def _raises(self) -> None:
        raise KeyError("no delay")

    async def _late(self) -> None:
        await asyncio.sleep(600)


class Slow(WorkflowEntrypoint):
    """A10: an attempt that takes too long is cancelled, and made again."""

    async def run(self, event: Event, ctx: Context) -> str:
        try:
            await ctx.do("dawdle", self._dawdle, event.instance_id, timeout=50, retries=AT_ONCE)
        except WorkflowTimeoutError as error:
            return str(error)
        return "never"

    async def _dawdle(self, who: str) -> None:
        try:
            await asyncio.sleep(600)
        finally:
            tell(self.env.WITNESS, who, "is cancelled")


class Final(WorkflowEntrypoint):
    """A11: an error that no retry will mend."""

    async def run(self, event: Event, ctx: Context) -> str:
        try:
            return await ctx.do("buy", self._buy, event.instance_id, retries=AT_ONCE)
        except NonRetryableError as error:
            if event.payload == "catch":
                return f"{type(error).__name__}: {error}"
            raise

    async def _buy(self, who: str) -> str:
        tell(self.env.WITNESS, who, "tries")
        raise NonRetryableError("sold out")


class Strict(WorkflowEntrypoint):
    """A12, A14, A17, A18, A20: what cannot be is refused at once; `run` may catch it."""

    async def run(self, event: Event, ctx: Context) -> list[str]:
        return [await self._refusal(ctx, *asked) for asked in event.payload["asked"]]

    async def _refusal(self, ctx: Context, method: str, arguments: list[Any], options: dict[str, Any]) -> str:
        given = [*arguments, list] if method == "do" else arguments
        try:
            await getattr(ctx, method)(*given, **options)
        except Exception as error:  # noqa: BLE001 - which one is what the test wants to know
            return f"{type(error).__name__}: {error}"
        return "taken"


class Seen(WorkflowEntrypoint):
    """A13: which step, visit and attempt a function is called for."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        return [await ctx.do("look", self._look, number, retries=AT_ONCE) for number in range(2)]

    async def _look(self, number: int, ctx: Any) -> list[Any]:
        if number and ctx.attempt == 1:
            raise RuntimeError("look again")
        assert (ctx["step"]["name"], ctx["attempt"]) == (ctx.step.name, ctx.attempt)
        return [ctx.step.name, ctx.step.count, ctx.attempt]


class Repeated(WorkflowEntrypoint):
    """A15: one name, many steps."""

    async def run(self, event: Event, ctx: Context) -> list[int]:
        return [await ctx.do("same", lambda: number) for number in range(3)]  # noqa: B023


class Parallel(WorkflowEntrypoint):
    """A16: two steps that each wait for the other to begin, and a race; then the same after a replay."""

    async def run(self, event: Event, ctx: Context) -> Any:
        left, right = asyncio.Event(), asyncio.Event()
        met = await asyncio.gather(ctx.do("left", meet, left, right), ctx.do("right", meet, right, left))
        racers = [asyncio.create_task(ctx.sleep("hare", 1)), asyncio.create_task(ctx.sleep("snail", 200))]
        done, _ = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
        tell(self.env.WITNESS, event.instance_id, met, racers[0] in done, racers[1] in done)
        await ctx.wait_for_event("go on", "go")
        return met


async def meet(mine: asyncio.Event, other: asyncio.Event) -> str:
    mine.set()
    await other.wait()
    return "met"


class Sleeps(WorkflowEntrypoint):
    """A17: three ways to say how long."""

    async def run(self, event: Event, ctx: Context) -> str:
        await ctx.sleep("number", 150)
        await ctx.sleep("text", "1 second")
        await ctx.sleep("timedelta", timedelta(milliseconds=150))
        await ctx.sleep("a year", "365 days")
        return "never"


class SleepsUntil(WorkflowEntrypoint):
    """A18: a date, a date in local time, milliseconds since 1970, and dates that are over."""

    async def run(self, event: Event, ctx: Context) -> str:
        soon = event.timestamp + timedelta(milliseconds=300)
        await ctx.sleep_until("aware", soon)
        await ctx.sleep_until("naive", (soon + timedelta(milliseconds=100)).astimezone().replace(tzinfo=None))
        await ctx.sleep_until("number", (soon + timedelta(milliseconds=200)).timestamp() * 1000)
        await ctx.sleep_until("past", datetime(2001, 1, 1, tzinfo=UTC))
        return "awake"


class Waits(WorkflowEntrypoint):
    """A20: an event is waited for, and comes with what it brings."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        first = await ctx.wait_for_event("for a day", "news")
        second = await ctx.wait_for_event("for an hour", type="news", timeout="1 hour")
        return [[came.type, came.payload, came["timestamp"]] for came in (first, second)]


class Buffers(WorkflowEntrypoint):
    """A21: events that come early are kept, in order, by their type."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        await ctx.wait_for_event("first of all", "open")
        early = [await ctx.wait_for_event("next", kind) for kind in ("b", "a", "a", "b")]
        late = await asyncio.gather(*(ctx.wait_for_event(f"number {number}", "c") for number in range(2)))
        return [came.payload for came in (*early, *late)]


class GivesUp(WorkflowEntrypoint):
    """A22: a wait that nobody ended; the code goes on, and hears the same after a replay."""

    async def run(self, event: Event, ctx: Context) -> Any:
        try:
            await ctx.wait_for_event("too long", "never", timeout="1 second")
        except WorkflowTimeoutError as error:
            tell(self.env.WITNESS, event.instance_id, error)
        await ctx.wait_for_event("go on", "go")
        return (await ctx.wait_for_event("anew", "never")).payload
