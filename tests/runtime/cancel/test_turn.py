"""Graceful cancellation: CancelledError where the code waits, cleanup steps, and one winner for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.stage import number, play
from wflow.engine import status
from wflow.engine.facts import Failed, Received, Settled
from wflow.engine.outcome import RolledBack
from wflow.engine.requests import CANCEL, ROLL_BACK


async def cancel(stage):
    """Cancel it as soon as it rests, or runs the step `slow`."""
    await stage.until(lambda: stage.change or "slow-1" in stage.running)
    stage.send(CANCEL)


async def ask_and_wait(ctx, kind):
    match kind:
        case "step":
            await ctx.do("slow", asyncio.Event().wait)
        case "thread":
            await ctx.do("slow", asyncio.run, asyncio.sleep(0.05))
        case "sleep":
            await ctx.sleep("nap", "1 hour")
        case "event":
            await ctx.wait_for_event("wait", "paid")
        case "timer":
            await asyncio.sleep(3600)
        case "retry":
            await ctx.do("fail", fail, retries={"limit": 5, "delay": "1 hour"})
        case "gather":
            await asyncio.gather(ctx.sleep("nap", "1 hour"), ctx.do("slow", asyncio.Event().wait))
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(ctx.sleep("nap", "1 hour"))
                group.create_task(ctx.do("slow", asyncio.Event().wait))
        case "timeout":
            async with asyncio.timeout(7200):
                await ctx.do("slow", asyncio.Event().wait)
        case "wait_for":
            await asyncio.wait_for(ctx.sleep("nap", "1 hour"), 7200)


async def fail():
    raise ValueError("not yet")


KINDS = ["step", "sleep", "event", "timer", "retry", "gather", "group", "timeout", "wait_for"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_the_code_hears_of_it_where_it_waits_and_cleans_up_with_steps(kind, cold):
    heard: list[str] = []

    async def run(event, ctx):
        try:
            await ask_and_wait(ctx, kind)
        except asyncio.CancelledError:
            heard.append("cancelled")
            await ctx.do("refund", number, 1)
            raise
        finally:
            await ctx.sleep("breathe", 2)
            await ctx.do("close", number, 2)

    played = play(run, cancel, cold=cold)
    assert played.status == status.TERMINATED
    assert played.rolled_back is None
    assert played.settled == ["refund-1", "breathe-1", "close-1"]
    assert set(heard) == {"cancelled"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_anywhere_changes_nothing_of_a_cancellation(kind):
    async def run(event, ctx):
        try:
            await ctx.do("first", number, 1)
            await ask_and_wait(ctx, kind)
        except asyncio.CancelledError:
            await ctx.do("refund", number, 1)
            raise
        finally:
            await ctx.do("close", number, 2)

    def perform(**crash: Any) -> int:
        played = play(run, cancel, linger_s=0.001, **crash)
        assert played.status == status.TERMINATED
        assert played.settled == ["first-1", "refund-1", "close-1"]
        return played.commits

    for n in range(perform() + 1):
        perform(crash_at={n})
        perform(crash_after={n}, cold=True)


def test_the_code_may_swallow_it_and_give_a_value():
    async def run(event, ctx):
        try:
            await ctx.sleep("nap", "1 hour")
        except asyncio.CancelledError:
            return await ctx.do("save", number, 7)

    played = play(run, cancel)
    assert played.result == 7
    assert played.status == status.COMPLETE


def test_the_code_may_raise_something_else():
    async def run(event, ctx):
        try:
            await ctx.sleep("nap", "1 hour")
        except asyncio.CancelledError as cancelled:
            raise ValueError("half way") from cancelled

    played = play(run, cancel)
    assert played.status == status.ERRORED
    assert (played.failure.name, played.failure.message) == ("ValueError", "half way")


def test_the_steps_are_undone_when_it_leaves_run_and_not_when_it_is_swallowed():
    for swallowed in (False, True):
        undone: list[str] = []

        async def run(event, ctx, swallowed=swallowed, undone=undone):
            try:
                await ctx.do("charge", number, 1, rollback=lambda error: undone.append(str(error)))
                await ctx.sleep("nap", "1 hour")
            except asyncio.CancelledError:
                if not swallowed:
                    raise

        played = play(run, cancel)
        assert played.status == (status.COMPLETE if swallowed else status.TERMINATED)
        assert played.rolled_back == (None if swallowed else RolledBack(None))
        assert undone == ([] if swallowed else ["None"])


def test_one_that_comes_before_anything_ran_is_heard_at_the_first_wait():
    ran: list[int] = []

    async def run(event, ctx):
        try:
            await ctx.do("charge", ran.append, 1)
        finally:
            await ctx.do("close", number, 2)

    played = play(run, pending=[Received(1, CANCEL, b"\xc0", 1, 1)])
    assert played.status == status.TERMINATED
    assert played.settled == ["close-1"]
    assert ran == []


def test_a_second_one_is_ignored_while_the_code_cleans_up():
    heard: list[int] = []

    async def run(event, ctx):
        heard.clear()
        try:
            await ctx.sleep("nap", "1 hour")
        except asyncio.CancelledError:
            heard.append(1)
            await ctx.do("slow", asyncio.sleep, 0.02)
            await ctx.do("refund", number, 1)
            raise

    async def script(stage):
        await cancel(stage)
        await stage.until(lambda: "slow-1" in stage.running)
        stage.send(CANCEL)

    played = play(run, script)
    assert played.status == status.TERMINATED
    assert played.settled == ["slow-1", "refund-1"]
    assert heard == [1]


def test_it_wins_against_a_step_that_fails_and_fails_again():
    async def run(event, ctx):
        try:
            await ctx.do("busy", fail, retries={"limit": 10_000, "delay": 0})
        finally:
            await ctx.do("close", number, 2)

    async def script(stage):
        await stage.until(lambda: sum(isinstance(fact, Failed) for fact in stage.facts) > 3)
        stage.send(CANCEL)

    played = play(run, script)
    assert played.status == status.TERMINATED
    assert played.settled == ["close-1"]


def test_between_it_and_an_outcome_the_first_in_the_journal_wins_for_ever():
    """Both are on their way to disk at once; whatever the code saw, each replay sees the same."""

    async def run(event, ctx):
        told = []
        try:
            told.append(await ctx.do("step", number, 1))
            told.append((await ctx.wait_for_event("wait", "paid")).payload)
            told.append(await ctx.do("step", number, 2))
        except asyncio.CancelledError:
            told.append("cancelled")
            told.append(await ctx.do("after", number, len(told)))
        return told

    for order, result in [("one by one", [1, 5, "cancelled", 3]), ("together", [1, "cancelled", 2])]:

        async def script(stage, order=order):
            await stage.until(lambda: stage.change)
            stage.send("paid", 5)
            if order == "one by one":
                await stage.until(lambda: not stage.change)
            stage.send(CANCEL)

        whole = play(run, script)
        assert whole.result == result
        both = max(n for n, fact in enumerate(whole.facts) if isinstance(fact, Received))
        for cut in range(both + 1, len(whole.facts)):
            assert play(run, journal=whole.stage.journal[:cut]).result == result, (order, cut)
        for crash in range(whole.commits):
            assert play(run, script, crash_at={crash}).result in ([1, 5, "cancelled", 3], [1, "cancelled", 2])


def test_it_ends_a_pause_and_a_pause_holds_the_cleanup():
    async def run(event, ctx):
        try:
            await ctx.sleep("nap", "1 hour")
        finally:
            await ctx.do("slow", asyncio.sleep, 0.01)
            await ctx.do("close", number, 2)

    async def script(stage):
        await stage.until(lambda: stage.change)
        await asyncio.sleep(0)
        stage.turn.drop()
        stage.pausing = True
        stage.claim()
        await stage.until(lambda: stage.paused)
        stage.send(CANCEL)
        await stage.until(lambda: "slow-1" in stage.running)
        stage.pause()
        await stage.until(lambda: stage.paused)
        assert "close-1" not in {fact.key for fact in stage.facts if isinstance(fact, Settled)}
        stage.unpause()

    played = play(run, script)
    assert played.status == status.TERMINATED
    assert played.settled == ["slow-1", "close-1"]


@pytest.mark.parametrize("crash", range(1, 7))
def test_it_takes_back_a_pause_that_has_not_come_yet(crash):
    async def run(event, ctx):
        try:
            await ctx.do("slow", asyncio.Event().wait)
        finally:
            await ctx.do("close", number, 2)

    async def script(stage):
        await stage.until(lambda: "slow-1" in stage.running)
        stage.pause()
        await stage.until(lambda: len(stage.facts) > 1)
        stage.send(CANCEL)

    played = play(run, script, crash_at={crash})
    assert played.status == status.TERMINATED
    assert played.settled == ["close-1"]
    assert "paused" not in played.moves
    if crash > played.commits:
        assert played.moves == ["running", "waitingForPause", "running", "terminated"]


def test_one_that_comes_when_run_has_returned_cuts_what_nobody_awaited():
    async def run(event, ctx):
        tasks.extend(asyncio.create_task(ctx.do("slow", asyncio.Event().wait)) for _ in range(2))
        await ctx.do("step", number, 1)
        return "done"

    tasks: list[object] = []
    played = play(run, cancel_finishing)
    assert played.result == "done"
    assert played.settled == ["step-1"]


async def cancel_finishing(stage):
    await stage.until(stage.turn._course.task.done)
    stage.send(CANCEL)


def test_undoing_wins_against_it():
    undone: list[int] = []

    async def run(event, ctx):
        try:
            await ctx.do("charge", number, 1, rollback=lambda: undone.append(1))
            await ctx.sleep("nap", "1 hour")
        finally:
            await ctx.do("slow", asyncio.Event().wait)

    async def script(stage):
        await cancel(stage)
        await stage.until(lambda: "slow-1" in stage.running)
        stage.send(ROLL_BACK)

    played = play(run, script)
    assert played.status == status.TERMINATED
    assert played.settled == ["charge-1", "rollback:charge-1"]
    assert undone == [1]


def test_what_is_shielded_goes_on_and_is_finished():
    async def run(event, ctx):
        task = asyncio.ensure_future(ctx.do("slow", asyncio.sleep, 0.02))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await task
            raise

    played = play(run, cancel)
    assert played.status == status.TERMINATED
    assert played.settled == ["slow-1"]


def test_code_that_cancels_itself_was_not_asked_and_is_errored():
    async def run(event, ctx):
        raise asyncio.CancelledError

    assert play(run).failure.message == "the workflow cancelled itself"
