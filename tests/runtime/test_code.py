"""What the code says of itself: progress, state, tags and log lines, from `run` and from its steps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.stage import number, play


def test_what_is_told_in_a_row_is_one_change_with_the_next_commit():
    async def run(event, ctx):
        for n in range(100):
            ctx.progress(n, 100)
            ctx.set_state({"n": n})
            ctx.set_tags([f"n-{n}"])
        await ctx.do("step", number, 1)
        ctx.set_state("last")

    played = play(run)
    assert played.stage.told == 2
    assert played.stage.shown == {"progress": {"done": 99, "total": 100, "message": ""}, "state": "last"}
    assert played.stage.tags == ["n-99"]


def test_what_is_told_before_a_rest_is_shown_while_it_rests():
    async def run(event, ctx):
        await ctx.do("step", number, 1)
        ctx.progress(1, 2, "half")
        await ctx.sleep("nap", "1 hour")

    async def script(stage):
        await stage.until(lambda: stage.change)
        assert stage.shown == {"progress": {"done": 1, "total": 2, "message": "half"}}
        stage._over.set_result(None)

    play(run, script)


@pytest.mark.parametrize("kind", ["async", "thread", "asyncio.run"])
def test_what_a_step_tells_is_shown_while_it_runs(kind):
    free: list[int] = []
    seen: list[int] = []

    async def run(event, ctx):
        async def slow():
            for n in range(50):
                ctx.progress(n, 50)
            while not free:  # noqa: ASYNC110 - the test sets it
                await asyncio.sleep(0.001)

        def plain():
            for n in range(50):
                ctx.progress(n, 50)
            while not free:
                pass

        match kind:
            case "async":
                await ctx.do("slow", slow)
            case "thread":
                await ctx.do("slow", plain)
            case "asyncio.run":
                await ctx.do("slow", lambda: asyncio.run(slow()))

    async def script(stage):
        await stage.until(lambda: stage.shown and stage.shown["progress"]["done"] == 49)
        seen.append(stage.told)
        assert "slow-1" in stage.running
        free.append(1)

    played = play(run, script)
    assert played.status == "complete"
    assert seen[0] < 50
    assert played.told == ["Settled"]


@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
@pytest.mark.parametrize("crash", range(6))
def test_a_replay_tells_nothing_again_and_nothing_is_lost(when, crash):
    async def run(event, ctx):
        for n in range(4):
            ctx.set_state(n)
            ctx.set_tags([str(n)])
            await ctx.do("step", number, n)

    shown = []

    async def script(stage):
        while not stage._over.done():
            shown.append(stage.shown.get("state", -1))
            await asyncio.sleep(0)

    options: dict[str, Any] = {when: {crash}}
    played = play(run, script, **options)
    assert shown == sorted(shown), "it never goes back"
    assert played.stage.shown == {"state": 3}
    assert played.stage.tags == ["3"]
    assert played.stage.told <= 5


def test_a_replay_does_not_take_back_what_a_step_told():
    async def run(event, ctx):
        ctx.progress(0, 10)
        await ctx.do("work", ctx.progress, 5, 10)
        await ctx.do("crash", number, 1)
        ctx.set_state("on")

    played = play(run, crash_after={2}, cold=True)
    assert played.stage.starts > 1
    assert played.stage.shown == {"progress": {"done": 5, "total": 10, "message": ""}, "state": "on"}


def test_what_is_told_in_a_thread_one_after_the_other_is_told_whole():
    async def run(event, ctx):
        def work():
            ctx.progress(1, 2)
            ctx.set_state("half")
            ctx.set_tags(["a"])

        await ctx.do("work", work)

    played = play(run)
    assert played.stage.shown == {"progress": {"done": 1, "total": 2, "message": ""}, "state": "half"}
    assert played.stage.tags == ["a"]


def test_what_a_step_of_an_instance_that_is_over_tells_is_heard_by_nobody():
    free: list[int] = []

    async def run(event, ctx):
        def plain():
            while not free:
                pass
            ctx.progress(1)

        task = asyncio.create_task(ctx.do("slow", plain))
        await ctx.do("step", number, 1)
        raise ValueError(task)

    async def script(stage):
        await stage.end()
        told = stage.told
        free.append(1)
        await asyncio.sleep(0.02)
        assert stage.told == told

    assert play(run, script).status == "errored"


def test_log_lines_of_code_that_was_left_are_not_kept():
    async def run(event, ctx):
        try:
            await ctx.sleep("nap", "1 hour")
        finally:
            ctx.log("bye")

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.turn.drop()
        stage._over.set_result(None)

    assert play(run, script).logged == []
