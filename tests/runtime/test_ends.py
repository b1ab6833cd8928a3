"""How an instance ends, and what is finished or let go of before it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.stage import number, play
from wflow.engine import status
from wflow.engine.changes import Ended
from wflow.engine.facts import Logged, Moved
from wflow.engine.outcome import Err, Failure, Ok, RolledBack
from wflow.runtime.clock import now
from wflow.runtime.ends import ended, unawaited

BROKEN = Failure("OSError", "broken")

# -- steps that nobody awaited -----------------------------------------------------------------------------


async def returns_early(event, ctx):
    """Start three steps, and await none of them."""
    tasks.extend(asyncio.create_task(ctx.do("slow", asyncio.sleep, 0.01)) for _ in range(2))
    tasks.append(asyncio.create_task(ctx.do("last", number, 1)))
    await asyncio.sleep(0)
    return "done"


tasks: list[object] = []


def test_a_step_that_was_started_and_never_awaited_is_finished_and_warned_about():
    played = play(returns_early)
    assert played.result == "done"
    assert sorted(played.settled) == ["last-1", "slow-1", "slow-2"]
    (line,) = (fact for fact in played.facts if isinstance(fact, Logged))
    assert line.level == "warn"
    assert line.message == (
        "`run` has returned, and these steps were started and never awaited: 'slow-1', 'slow-2', 'last-1'; "
        "the instance is complete when they are over"
    )


@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_crash_while_they_are_finished_changes_nothing_and_warns_once(when):
    for n in range(play(returns_early).commits + 1):
        options: dict[str, Any] = {when: {n}}
        played = play(returns_early, linger_s=0.001, **options)
        assert played.result == "done"
        assert sorted(played.settled) == ["last-1", "slow-1", "slow-2"]
        assert len(played.logged) == 1


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_one_that_fails_is_tried_again_and_changes_nothing_of_the_result(cold):
    calls: list[int] = []

    async def fail():
        calls.append(1)
        raise ValueError("no")

    async def run(event, ctx):
        retries = {"limit": 2, "delay": 5, "backoff": "constant"}
        tasks.append(asyncio.create_task(ctx.do("fail", fail, retries=retries)))
        return await ctx.do("step", number, 7)

    played = play(run, cold=cold)
    assert played.result == 7
    assert len(calls) == 3
    assert played.settled == ["step-1", "fail-1"]


def test_the_code_hears_nothing_of_them():
    heard = []

    async def beside(ctx):
        heard.append(await ctx.do("slow", asyncio.sleep, 0.005))
        await ctx.do("after", number, 1)

    async def run(event, ctx):
        tasks.append(asyncio.create_task(beside(ctx)))
        await ctx.do("step", number, 1)

    played = play(run)
    assert played.settled == ["step-1", "slow-1"]
    assert heard == []


def test_waits_that_are_open_when_run_returns_are_let_go_without_a_word():
    async def run(event, ctx):
        tasks.append(asyncio.create_task(ctx.sleep("nap", "1 hour")))
        tasks.append(asyncio.create_task(ctx.wait_for_event("wait", "paid")))
        tasks.append(asyncio.create_task(asyncio.sleep(3600)))
        return await ctx.do("step", number, 1)

    began = now()
    played = play(run)
    assert played.result == 1
    assert played.told == ["Settled"]
    assert now() - began < 5_000


def test_waits_beside_a_step_that_is_finished_are_let_go_too():
    async def run(event, ctx):
        tasks.append(asyncio.create_task(ctx.sleep("nap", 1)))
        tasks.append(asyncio.create_task(ctx.wait_for_event("wait", "paid")))
        tasks.append(asyncio.create_task(ctx.do("slow", asyncio.sleep, 0.02)))
        return await ctx.do("step", number, 1)

    async def script(stage):
        await stage.until(stage.turn._course.task.done)
        stage.send("paid")

    for crash in [set(), {1}, {2}, {3}]:
        played = play(run, script, crash_at=crash)
        assert played.result == 1
        assert [key for key in played.settled if not key.startswith("nap")] == ["step-1", "slow-1"]


def test_a_pause_holds_what_is_left_of_them():
    calls: list[int] = []

    async def fail_once(ctx):
        calls.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("no")

    async def run(event, ctx):
        retries = {"limit": 1, "delay": 20}
        tasks.append(asyncio.create_task(ctx.do("fail", fail_once, retries=retries)))
        tasks.append(asyncio.create_task(ctx.do("slow", asyncio.sleep, 0.005)))
        return await ctx.do("step", number, 1)

    async def script(stage):
        await stage.until(lambda: calls and stage.turn._course.task.done() and "slow-1" in stage.running)
        stage.pause()
        await stage.until(lambda: stage.paused)
        assert calls == [1]
        stage.unpause()

    played = play(run, script)
    assert played.result == 1
    assert sorted(played.settled) == ["fail-1", "slow-1", "step-1"]
    assert len(played.logged) == 1


def test_a_failure_does_not_wait_for_them():
    async def run(event, ctx):
        tasks.append(asyncio.create_task(ctx.do("slow", asyncio.Event().wait)))
        await ctx.do("step", number, 1)
        raise ValueError("no")

    played = play(run)
    assert played.status == "errored"
    assert played.logged == []


def test_a_long_list_of_them_is_cut():
    assert unawaited([f"step-{n}" for n in range(12)]) == (
        "`run` has returned, and these steps were started and never awaited: 'step-0', 'step-1', 'step-2', "
        "'step-3', 'step-4', 'step-5', 'step-6', 'step-7', 'step-8', 'step-9' and 2 more; "
        "the instance is complete when they are over"
    )


# -- the words for it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "rolled_back", "over", "detail"),
    [
        (Ok(b"\x05"), None, status.COMPLETE, {}),
        (Err(BROKEN), None, status.ERRORED, {}),
        (Err(BROKEN), RolledBack(None), status.ERRORED, {"rollback": "complete"}),
        (Err(BROKEN), RolledBack(BROKEN), status.ERRORED, {"rollback": "failed"}),
        (None, None, status.TERMINATED, {}),
        (None, RolledBack(None), status.TERMINATED, {"rollback": "complete"}),
    ],
)
def test_an_end_is_a_move_and_a_change(outcome, rolled_back, over, detail):
    output = outcome.value if isinstance(outcome, Ok) else None
    failure = outcome.failure if isinstance(outcome, Err) else None
    assert ended(7, 99, outcome, rolled_back) == (
        Moved(over, 99, failure=failure, detail=detail),
        Ended(7, 99, over, output, failure, rolled_back),
    )


def test_the_output_is_in_the_change_and_not_in_the_journal_a_second_time():
    async def run(event, ctx):
        return await ctx.do("step", number, 5)

    played = play(run)
    last = played.facts[-1]
    assert isinstance(last, Moved)
    assert last.output is None
    assert played.told == ["Settled"]
