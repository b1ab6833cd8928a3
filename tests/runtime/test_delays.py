"""Delays that a function of the user's gives, between the attempts of a step."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.runtime.stage import number, play
from wflow.engine.facts import Failed, Opened
from wflow.engine.steps.do import Do
from wflow.errors import InvalidInput, NonRetryableError
from wflow.runtime import delays
from wflow.runtime.attempt import Body
from wflow.runtime.clock import now


def failing(*errors: Exception):
    """Make a step that raises these, one at each attempt, and then gives 5."""
    left = list(errors)

    async def body():
        if left:
            raise left.pop(0)
        return 5

    return body


def failed(played: Any) -> list[Failed]:
    return [fact for fact in played.facts if isinstance(fact, Failed)]


def waits(played: Any) -> list[int]:
    """How long after each failure the next attempt was to begin, in milliseconds."""
    return [fact.retry_at - fact.at for fact in failed(played) if fact.retry_at is not None]


NO = ValueError("no")


@pytest.mark.parametrize("kind", ["sync", "async", "awaitable"])
def test_a_function_says_how_long_to_wait_and_gets_by_name_what_it_names(kind):
    told = []

    async def slow(ctx, error):
        told.append([ctx.attempt, ctx.step.name, ctx.step.count, type(error), str(error), ctx.config])
        return ctx.attempt * 2

    def plain(error, *, ctx):
        told.append([ctx.attempt, type(error)])
        return 2 * ctx.attempt

    given = {
        "sync": plain,
        "async": slow,
        "awaitable": lambda **all_of_it: slow(**all_of_it),  # noqa: PLW0108 - what it returns is awaited
    }

    body = failing(NO, KeyError("lost"))

    async def run(event, ctx):
        retries = {"limit": 3, "delay": given[kind], "backoff": "constant"}
        return await ctx.do("charge", body, retries=retries)

    played = play(run)
    assert played.result == 5
    assert waits(played) == [2, 4]
    if kind == "sync":
        assert told == [[1, ValueError], [2, KeyError]]
    else:
        config = {"retries": {"limit": 3, "delay": "[dynamic]", "backoff": "constant"}, "timeout": 600_000}
        assert told == [
            [1, "charge", 1, ValueError, "no", config],
            [2, "charge", 1, KeyError, "'lost'", config],
        ]


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [("constant", [2, 2, 2]), ("linear", [2, 4, 6]), ("exponential", [2, 4, 8]), (None, [2, 4, 8])],
)
def test_what_it_says_grows_as_the_backoff_says(backoff, expected):
    async def run(event, ctx):
        retries = {"limit": 3, "delay": lambda: 2} | ({"backoff": backoff} if backoff else {})
        return await ctx.do("charge", failing(NO, NO, NO), retries=retries)

    played = play(run)
    assert waits(played) == expected
    (opened,) = (fact for fact in played.facts if isinstance(fact, Opened))
    assert opened.detail["retries"] == {
        "limit": 3,
        "delay": "[dynamic]",
        "backoff": backoff or "exponential",
    }


@pytest.mark.parametrize(
    ("delay", "ms"),
    [("2 seconds", 2_000), (0, 0), (1.6, 2), (lambda: None, None)],
    ids=["text", "zero", "part", "coroutine"],
)
def test_it_says_it_in_any_way_that_a_duration_is_written(delay, ms):
    async def run(event, ctx):
        retries = {"limit": 3, "delay": lambda: delay}
        await ctx.do("charge", failing(NO), retries=retries)

    async def script(stage):
        await stage.until(lambda: any(isinstance(fact, Failed) for fact in stage.facts))
        if not stage._over.done():
            stage._over.set_result(None)

    played = play(run, script)
    assert waits(played) == ([] if ms is None else [ms])


async def raising():
    raise KeyError("broken")


async def cancelled():
    raise asyncio.CancelledError


def exiting():
    raise SystemExit(3)


def stopping():
    return next(iter(()))


async def timed_out():
    raise TimeoutError("its own")


@pytest.mark.parametrize(
    ("delay", "told"),
    [
        (lambda: -1, "gave no duration: -1 is negative"),
        (lambda: "soon", "gave no duration: 'soon' is no duration"),
        (lambda: None, "gave no duration: None is no duration"),
        (lambda: "366 days", "gave no duration: '366 days' is more than 365 days"),
        (raising, "failed with KeyError: 'broken'"),
        (cancelled, "failed with CancelledError: "),
        (exiting, "failed with NonRetryableError: the step raised SystemExit"),
        (stopping, "failed with RuntimeError: the step raised StopIteration"),
        (timed_out, "failed with TimeoutError: its own"),
    ],
)
def test_one_that_gives_no_duration_fails_the_step_for_good_and_names_it(delay, told):
    calls = []

    async def body():
        calls.append(1)
        raise ValueError("no")

    async def run(event, ctx):
        await ctx.do("charge", number, 1)
        await ctx.do("charge", body, retries={"limit": 9, "delay": delay})

    played = play(run)
    assert calls == [1]
    assert played.failure.name == "NonRetryableError"
    assert played.failure.message.startswith(f'The delay function for step "charge-2" {told}')
    assert played.failure.cause is not None
    assert played.failure.cause.message == "no"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_one_that_takes_longer_than_its_budget_fails_the_step(kind):
    free = asyncio.Event()
    slow = {"sync": lambda: asyncio.run(asyncio.sleep(0.1)), "async": free.wait}[kind]
    delay = msgspec.structs.replace(delays.delay_of("charge", slow), budget_s=0.01)

    async def run(event, ctx):
        body = Body(failing(NO), delay=delay)
        await ctx._code.step(Do("charge", dynamic=True), body)

    played = play(run)
    assert played.failure.message == 'The delay function for step "charge-1" took longer than 0.01 seconds'


def test_it_has_five_seconds():
    assert delays.delay_of("charge", lambda: 1).budget_s == 5.0


def test_it_is_not_asked_when_no_attempt_comes_after():
    asked: list[int] = []

    def delay(ctx):
        asked.append(ctx.attempt)
        return 0

    async def fail():
        raise ValueError("no")

    async def fail_for_good():
        raise NonRetryableError("never")

    async def run(event, ctx):
        retries = {"limit": 2, "delay": delay}
        for body in (fail, fail_for_good):
            with pytest.raises(Exception, match=r"no|never"):
                await ctx.do("charge", body, retries=retries)

    play(run)
    assert asked == [1, 2]


def test_what_it_said_holds_over_a_crash():
    asked: list[int] = []

    def delay():
        asked.append(1)
        return 30

    async def run(event, ctx):
        return await ctx.do("charge", body, retries={"limit": 2, "delay": delay})

    async def script(stage):
        await stage.until(lambda: any(isinstance(fact, Failed) for fact in stage.facts))
        stage.crash()

    body = failing(NO)
    began = now()
    played = play(run, script)
    assert played.result == 5
    assert now() - began >= 30
    assert waits(played) == [30]
    assert asked == [1]


def test_an_attempt_that_is_given_up_while_the_function_thinks_is_not_heard_of():
    asked: list[int] = []

    async def delay():
        asked.append(1)
        await asyncio.Event().wait()

    async def run(event, ctx):
        task = asyncio.create_task(ctx.do("charge", failing(NO), retries={"limit": 2, "delay": delay}))
        await ctx.wait_for_event("wait", "go")
        task.cancel()
        return "on"

    async def script(stage):
        await stage.until(lambda: asked)
        stage.send("go")

    played = play(run, script)
    assert played.result == "on"
    assert failed(played) == []


def test_an_attempt_that_ran_out_of_time_asks_too():
    errors = []

    def delay(error):
        errors.append(type(error).__name__)
        return 0

    async def run(event, ctx):
        with pytest.raises(TimeoutError):
            await ctx.do("hang", asyncio.Event().wait, timeout=5, retries={"limit": 1, "delay": delay})

    assert play(run).status == "complete"
    assert errors == ["WorkflowTimeoutError"]


def test_one_that_takes_what_there_is_not_is_refused():
    async def run(event, ctx):
        with pytest.raises(InvalidInput) as caught:
            ctx.do("charge", number, 1, retries={"limit": 1, "delay": lambda output: output})
        return caught.value.message

    told = "step 'charge': retries.delay takes a parameter 'output'; it can have ctx, error, by these names"
    assert play(run).result == told


def test_the_delays_of_a_steps_first_start_hold():
    """Whoever had a plain delay keeps it when the code is changed; and the function is not asked."""
    asked: list[int] = []
    first, second = failing(NO), failing(NO)

    async def before(event, ctx):
        await ctx.do("charge", first, retries={"limit": 3, "delay": 5, "backoff": "constant"})

    def delay():
        asked.append(1)
        return 7_000

    async def after(event, ctx):
        return await ctx.do("charge", second, retries={"limit": 9, "delay": delay})

    async def until_failed(stage):
        await stage.until(lambda: any(isinstance(fact, Failed) for fact in stage.facts))
        stage._over.set_result(None)

    begun = play(before, until_failed)
    played = play(after, journal=begun.stage.journal)
    assert played.result == 5
    assert waits(played) == [5, 5]
    assert asked == []
