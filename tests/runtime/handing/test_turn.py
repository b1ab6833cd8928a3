"""A turn that is asked back, and is not wanted back any more before it could be given."""

from __future__ import annotations

import asyncio

import pytest

from tests.runtime.stage import number, play
from wflow.engine.facts import Settled


def settled(stage):
    return [fact.key for fact in stage.facts if isinstance(fact, Settled)]


@pytest.mark.resident("it hands back the one turn there is")
def test_a_turn_that_is_kept_after_all_goes_on_at_once_beside_what_runs_still():
    free: list[bool] = []

    async def slow():
        while not free:  # noqa: ASYNC110 - the test sets it
            await asyncio.sleep(0.001)

    async def run(event, ctx):
        async def others():
            await ctx.do("short", asyncio.sleep, 0.01)
            return await ctx.do("after", number, 2)

        return (await asyncio.gather(ctx.do("slow", slow), others()))[1]

    async def script(stage):
        await stage.until(lambda: len(stage.running) == 2)
        stage.turn.hand_back()
        await stage.until(lambda: "short-1" in settled(stage))
        await asyncio.sleep(0.005)
        assert "after-1" not in stage.running, "nothing new begins"
        stage.turn.keep()
        await stage.until(lambda: "after-1" in settled(stage))
        assert not stage.released
        free.append(True)

    played = play(run, script)
    assert played.result == 2
    assert played.stage.released == 0


@pytest.mark.resident("it looks at the one turn there is")
def test_to_keep_a_turn_that_nobody_wants_back_changes_nothing():
    async def run(event, ctx):
        await ctx.sleep("nap", 20)
        return await ctx.do("after", number, 2)

    async def script(stage):
        stage.turn.keep()
        await stage.until(lambda: stage.change)
        stage.turn.keep()
        assert stage.turn.state.name == "RESTING"

    assert play(run, script).result == 2
