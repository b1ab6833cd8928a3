"""A workflow that does not take the same way twice is caught, and the failure shows where it parts."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from wflow import Context, Event, NonRetryableError, WorkflowEntrypoint
from wflow.testing import NotDeterministic, assert_deterministic
from wflow.testing.deterministic import PREFIXES

if TYPE_CHECKING:
    from wflow.testing import Kit


class Sound(WorkflowEntrypoint):
    """Time, chance, races and events, all as they should be."""

    async def run(self, event: Event, ctx: Context) -> object:
        first = await ctx.do("first", lambda: time.time() and random.random() and 1)  # noqa: TID251 - a clock, in a step
        await ctx.sleep("nap", "1 day")
        several = await asyncio.gather(*(ctx.do("part", part, number) for number in range(4)))
        got = await ctx.wait_for_event("wait", "go", timeout="1 day")
        async with asyncio.timeout(60):
            await ctx.do("last", lambda: None)
        if ctx.random() < 2 and ctx.now() > event.timestamp:
            await ctx.do(f"named {self.env.SUFFIX}", lambda: None)
        return [first, several, got.payload, str(ctx.uuid4()), str(ctx.now().date())]


def part(number: int) -> int:
    return number


class ByTheYear(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        name = "early" if datetime.now(UTC).year < 2027 else "late"
        await ctx.do(name, lambda: None)


class ByTheDay(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("first", lambda: None)
        await ctx.do(f"on {date.today()}", lambda: None)  # noqa: DTZ011 - that is the bug


class ByTheClock(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> float:
        await ctx.do("first", lambda: None)
        return time.monotonic()


class ByChance(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("first", lambda: None)
        await ctx.do(random.choice("abcdefghijklmnopqrstuvwxyz"), lambda: None)


COUNT = [0]


class ByMemory(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        COUNT[0] += 1
        await ctx.do("first", lambda: None)
        if COUNT[0] == 1:
            await ctx.do("only the first time", lambda: None)


class Long(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> int:
        return sum([await ctx.do("step", lambda: 1) for _ in range(PREFIXES + 50)])


class Fails(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("first", lambda: None)
        raise NonRetryableError("as planned")


def test_a_sound_workflow_passes_and_gives_its_output():
    output = assert_deterministic(Sound, {"x": 1}, events=[("go", "now")], vars={"SUFFIX": "x"})
    assert output[:3] == [1, [0, 1, 2, 3], "now"]


@pytest.mark.parametrize("workflow", [ByTheYear, ByTheDay, ByTheClock, ByChance, ByMemory])
def test_one_that_depends_on_a_clock_on_chance_or_on_memory_is_caught(workflow: type):
    COUNT[0] = 0
    with pytest.raises(NotDeterministic, match="does not take the same way twice"):
        assert_deterministic(workflow)


def test_the_failure_shows_what_is_recorded_and_what_is_asked_for():
    with pytest.raises(NotDeterministic) as failed:
        assert_deterministic(ByTheYear)
    told = str(failed.value)
    assert "workflow 'bytheyear'" in told
    assert "with the clocks moved by 401 days" in told
    assert "journal: step 'early-1' (do), " in told
    assert "code:    step 'late-1' (do), " in told
    assert "await ctx.do(name, lambda: None)" in told
    assert "resume" not in told, "what can be done about an instance is no help in a test"


def test_clocks_and_chance_are_as_before_afterwards():
    state, clock, kind = random.getstate(), time.time, datetime  # noqa: TID251 - the real one
    with pytest.raises(NotDeterministic):
        assert_deterministic(ByTheYear)
    assert (random.getstate(), time.time, datetime) == (state, clock, kind)  # noqa: TID251 - the real one
    assert isinstance(datetime.now(UTC), datetime)


def test_a_workflow_that_fails_the_same_way_each_time_is_deterministic():
    assert assert_deterministic(Fails) is None


def test_a_long_one_is_played_from_a_sample_of_its_beginnings():
    assert assert_deterministic(Long) == PREFIXES + 50


@pytest.mark.wflow({"SOUND": Sound, "CHANCE": ByChance}, vars={"SUFFIX": "y"})
async def test_the_fixture_can_do_it_with_the_project_at_hand(wflow: Kit):
    assert (await wflow.assert_deterministic(wflow.env.SOUND, events=[("go", 5)]))[2] == 5
    with pytest.raises(NotDeterministic, match=r"guess:   chance"):
        await wflow.assert_deterministic("CHANCE")
