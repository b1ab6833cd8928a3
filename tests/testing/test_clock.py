"""Time in a test: it passes when the test waits and nothing runs, and never overtakes a step."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from wflow import Context, Event, InvalidInput, WorkflowEntrypoint, WorkflowTimeoutError
from wflow.errors import InstanceNotFound
from wflow.runtime.clock import now

if TYPE_CHECKING:
    from wflow.testing import Kit

DAY = timedelta(days=1)


class Sleeps(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> str:
        await ctx.sleep("nap", event.payload)
        return "awake"


class Tries(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> int:
        return await ctx.do("try", attempt, retries={"limit": 3, "delay": "1 hour", "backoff": "constant"})


def attempt(ctx) -> int:
    if ctx.attempt < 4:
        raise ConnectionError
    return int(ctx.attempt)


class Waits(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        try:
            got = await ctx.wait_for_event("wait", "paid", timeout="10 days")
        except WorkflowTimeoutError:
            return "nobody"
        return got.payload


class Polls(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        await ctx.poll("look", looked, every="1 day", timeout="30 days")
        return str(ctx.now() - event.timestamp)


LOOKS: list[int] = []


def looked() -> bool:
    LOOKS.append(1)
    return len(LOOKS) == 4


class Races(WorkflowEntrypoint):
    """A step that runs, beside a sleep."""

    async def run(self, event: Event, ctx: Context) -> str:
        step = asyncio.ensure_future(ctx.do("step", slow))
        nap = asyncio.ensure_future(ctx.sleep("nap", "1 minute"))
        done, _ = await asyncio.wait([step, nap], return_when=asyncio.FIRST_COMPLETED)
        return "step" if step in done else "nap"


async def slow() -> None:
    await asyncio.sleep(0.05)


class Held(WorkflowEntrypoint):
    """A step that lasts until the test lets it go, beside a sleep."""

    async def run(self, event: Event, ctx: Context) -> str:
        step = asyncio.ensure_future(ctx.do("step", GATE.wait))
        await ctx.sleep("nap", "1 minute")
        await ctx.do("over", lambda: None)
        await step
        return "both"


async def elsewhere() -> datetime:
    await asyncio.sleep(0.05)
    return datetime.fromtimestamp(now() / 1000, UTC)


class Both(WorkflowEntrypoint):
    """Steps that wait for others, and one of them for something else as well."""

    async def run(self, event: Event, ctx: Context) -> object:
        async def alone() -> object:
            nap = await self.env.SLEEPS.create(params="1 hour")
            _, when = await asyncio.gather(nap.result(), elsewhere())
            return when

        async def two() -> list[object]:
            naps = [await self.env.SLEEPS.create(params="1 hour") for _ in range(2)]
            return list(await asyncio.gather(*(nap.result() for nap in naps)))

        return [await ctx.do("alone", alone), await ctx.do("two", two)]


GATE = asyncio.Event()

pytestmark = pytest.mark.wflow(
    {
        "SLEEPS": Sleeps,
        "TRIES": Tries,
        "WAITS": Waits,
        "POLLS": Polls,
        "RACES": Races,
        "HELD": Held,
        "BOTH": Both,
    },
    kv=["KV"],
)


@pytest.mark.parametrize("span", ["1 second", "3 days", "365 days"])
async def test_a_sleep_passes_at_once_and_lasts_what_it_should(wflow: Kit, span: str):
    began, real = wflow.clock.now(), time.monotonic()
    assert await (await wflow.env.SLEEPS.create(params=span)).result() == "awake"
    days = {"1 second": timedelta(seconds=1), "3 days": 3 * DAY, "365 days": 365 * DAY}
    assert wflow.clock.now() - began == days[span]
    assert time.monotonic() - real < 5


async def test_retries_wait_by_the_clock(wflow: Kit):
    began = wflow.clock.now()
    assert await (await wflow.env.TRIES.create()).result() == 4
    assert wflow.clock.now() - began == timedelta(hours=3)


async def test_polls_and_waits_with_timeouts_too(wflow: Kit):
    LOOKS.clear()
    assert await (await wflow.env.POLLS.create()).result() == "3 days, 0:00:00"
    assert await (await wflow.env.WAITS.create()).result() == "nobody"


async def test_time_stands_still_while_the_test_does_something_else(wflow: Kit):
    instance = await wflow.env.WAITS.create()
    began = wflow.clock.now()
    async with wflow.introspect_instance(wflow.env.WAITS, instance.id) as inside:
        await inside.wait_for_status("waiting")
    await asyncio.sleep(0.05)
    assert wflow.clock.now() == began
    await instance.send_event("paid", 5)
    assert await instance.result() == 5


async def test_a_step_that_runs_is_never_overtaken(wflow: Kit):
    assert await (await wflow.env.RACES.create()).result() == "step"


async def test_a_step_that_does_more_than_wait_for_a_result_is_not_overtaken_either(wflow: Kit):
    before = wflow.clock.now()
    both = await (await wflow.env.BOTH.create()).result()
    assert both == [before, ["awake", "awake"]]


async def test_things_happen_in_the_order_in_which_they_are_due(wflow: Kit):
    late = await wflow.env.SLEEPS.create(params="2 days")
    soon = await wflow.env.SLEEPS.create(params="1 day")
    await soon.result()
    assert (await late.status()).status == "waiting"
    await late.result()


async def test_a_clock_that_is_not_automatic_moves_only_when_it_is_told(wflow: Kit):
    wflow.clock.auto = False
    instance = await wflow.env.SLEEPS.create(params="2 hours")
    await wflow.clock.advance("1 hour")
    assert (await instance.status()).status == "waiting"
    await wflow.clock.advance(timedelta(hours=1))
    assert (await instance.status()).status == "complete"


async def test_all_that_is_due_within_a_span_happens_in_it(wflow: Kit):
    instance = await wflow.env.TRIES.create()
    began = wflow.clock.now()
    await wflow.clock.advance("1 day")
    assert (await instance.status()).output == 4
    assert wflow.clock.now() - began == DAY


async def test_a_span_that_is_skipped_passes_a_step_that_runs(wflow: Kit):
    GATE.clear()
    instance = await wflow.env.HELD.create(id="held")
    async with wflow.introspect_instance("HELD", "held") as inside:
        await inside.wait_for_status("running")
        await wflow.ask(lambda world: world.store.position())
        wflow.clock.skip("1 minute")
        await inside.wait_for_step_result("over")
        assert "step-1" not in await inside.steps()
    GATE.set()
    assert await instance.result() == "both"


async def test_what_is_kept_for_a_while_is_gone_when_that_has_passed(wflow: Kit):
    await wflow.env.KV.put("short", "lived", expiration_ttl=3600)
    instance = await wflow.env.SLEEPS.create(
        params="1 second", retention={"success_retention": "2 days", "error_retention": "2 days"}
    )
    await instance.result()
    await wflow.clock.advance("1 day")
    assert await wflow.env.KV.get("short") is None
    assert (await instance.status()).status == "complete"
    await wflow.clock.advance("1 day")
    with pytest.raises(InstanceNotFound):
        await instance.status()


async def test_a_test_begins_today(wflow: Kit):
    assert abs(wflow.clock.now() - datetime.now(UTC)) < timedelta(minutes=5)


async def test_a_span_is_a_duration(wflow: Kit):
    with pytest.raises(InvalidInput, match="the clock"):
        await wflow.clock.advance("soon")
    with pytest.raises(InvalidInput, match="negative"):
        wflow.clock.skip(-1)
