"""ctx.poll: checks at once, then every so often, until there is something or time is up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.runtime.stage import number, play
from wflow.engine.changes import Rested
from wflow.engine.facts import Failed, Opened, Settled
from wflow.engine.outcome import NOT_YET
from wflow.engine.retry import Retry
from wflow.engine.steps.poll import Poll
from wflow.errors import InvalidInput, WorkflowTimeoutError
from wflow.runtime.attempt import Body
from wflow.runtime.polled import CHECKS


class Job:
    """Says ``answers``, one after the other; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    def check(self):
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def check_slowly(self):
        await asyncio.sleep(0)
        return self.check()


def quickly(ctx, check, *, every_ms=15, timeout_ms=5_000, retry=None):
    """Poll more often than people can."""
    policy = Retry(2, 0) if retry is None else retry
    return ctx._code.step(Poll("ready", every_ms, timeout_ms, policy), Body(check, pending=NOT_YET))


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
@pytest.mark.parametrize("kind", ["check", "check_slowly"])
def test_it_checks_until_there_is_something_and_rests_between(cold, kind):
    job = Job(None, False, None, {"state": "ready"})

    async def run(event, ctx):
        return await quickly(ctx, getattr(job, kind))

    played = play(run, cold=cold)
    assert played.result == {"state": "ready"}
    assert job.asked == 4
    failed = [fact for fact in played.facts if isinstance(fact, Failed)]
    assert [fact.failure for fact in failed] == [NOT_YET] * 3
    assert [fact.attempt for fact in failed] == [1, 2, 3]
    assert all(fact.retry_at == fact.at + 15 for fact in failed)
    assert played.told == ["Opened", "Failed", "Failed", "Failed", "Settled"]
    if cold:
        assert played.stage.starts >= 4


def test_what_is_there_at_once_is_one_record():
    job = Job("here")

    async def run(event, ctx):
        return await ctx.poll("ready", job.check, every="1 hour", timeout="30 days")

    played = play(run)
    assert played.result == "here"
    (settled,) = (fact for fact in played.facts if isinstance(fact, Settled))
    assert (settled.key, settled.kind) == ("ready-1", "poll")
    assert settled.detail == {"every": 3_600_000, "timeout": 30 * 86_400_000}


def test_it_takes_durations_in_any_notation_and_lasts_a_day_unless_it_is_told():
    job = Job(None, 1)

    async def run(event, ctx):
        return await ctx.poll("ready", job.check, every=timedelta(seconds=1), timeout="1 minute")

    played = play(run)
    assert played.result == 1
    (opened,) = (fact for fact in played.facts if isinstance(fact, Opened))
    assert opened.detail == {"every": 1_000, "timeout": 60_000}

    async def run_without(event, ctx):
        return await ctx.poll("ready", Job(2).check, every="1 second")

    (settled,) = (fact for fact in play(run_without).facts if isinstance(fact, Settled))
    assert settled.detail["timeout"] == 86_400_000


@pytest.mark.parametrize("something", [0, "", [], {}, True])
def test_only_none_and_false_mean_not_yet(something):
    async def run(event, ctx):
        return await ctx.poll("ready", Job(something).check, every=1_000)

    assert play(run).result == something


def test_a_check_is_a_steps_function_with_arguments_context_and_type():
    @dataclass
    class Order:
        number: int
        attempt: int

    async def check(number, ctx) -> Order | None:
        return Order(number, ctx.attempt)

    async def run(event, ctx):
        got = await ctx.poll("ready", check, 7, every=1_000, returns=Order)
        return [type(got).__name__, got.number, got.attempt]

    assert play(run).result == ["Order", 7, 1]


def test_errors_in_a_row_are_retried_by_policy_and_the_last_is_raised():
    job = Job(OSError("one"), OSError("two"), None, OSError("three"), OSError("four"), OSError("five"))

    async def run(event, ctx):
        try:
            await quickly(ctx, job.check)
        except OSError as error:
            return str(error)

    assert play(run).result == "five"
    assert job.asked == 6


def test_retries_are_those_of_a_step():
    job = Job(OSError("one"), OSError("two"), OSError("three"))

    async def run(event, ctx):
        await ctx.poll("ready", job.check, every=1_000, retries={"limit": 1, "delay": 0})

    assert play(run).failure.message == "two"


def test_a_function_that_gives_the_delays_is_asked_after_errors_and_not_after_checks():
    asked = []

    def delay(error):
        asked.append(str(error))
        return 0

    job = Job(OSError("one"), None, 3)

    async def run(event, ctx):
        return await ctx.poll("ready", job.check, every=1_000, retries={"limit": 1, "delay": delay})

    assert play(run).result == 3
    assert asked == ["one"]


def test_when_time_is_up_it_raises_a_timeout_that_can_be_caught():
    job = Job(None)

    async def run(event, ctx):
        try:
            await quickly(ctx, job.check, every_ms=20, timeout_ms=70)
        except WorkflowTimeoutError as error:
            return [str(error), await ctx.do("after", number, 1)]

    assert play(run).result == ["Execution timed out after 70ms", 1]
    assert 2 <= job.asked <= 4


def test_a_check_that_hangs_ends_with_the_poll():
    async def run(event, ctx):
        try:
            await quickly(ctx, asyncio.Event().wait, timeout_ms=40)
        except WorkflowTimeoutError as error:
            return str(error)

    assert play(run).result == "Execution timed out after 40ms"


@pytest.mark.parametrize("point", range(8))
@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_crash_at_any_commit_changes_nothing(point, when):
    job = Job(None, None, "there")

    async def run(event, ctx):
        before = await ctx.do("before", number, 1)
        return [before, await quickly(ctx, job.check), await ctx.do("after", number, 2)]

    options: dict[str, Any] = {when: {point}}
    played = play(run, **options)
    assert played.result == [1, "there", 2]
    assert played.settled == ["before-1", "ready-1", "after-1"]


def test_a_race_that_it_loses_lets_it_go():
    job = Job(None)

    async def run(event, ctx):
        try:
            async with asyncio.timeout(0.06):
                await quickly(ctx, job.check)
        except TimeoutError:
            asked = job.asked
            await ctx.sleep("a while", 60)
            return job.asked - asked

    assert play(run).result == 0


def test_while_it_waits_the_instance_rests_until_the_next_check():
    job = Job(None, "there")
    rested = []

    async def run(event, ctx):
        return await quickly(ctx, job.check, every_ms=40)

    async def script(stage):
        await stage.until(lambda: isinstance(stage.change, Rested))
        (failed,) = (fact for fact in stage.facts if isinstance(fact, Failed))
        rested.append(stage.change.wake_at == failed.retry_at)

    assert play(run, script).result == "there"
    assert rested == [True]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda ctx: ctx.poll("", number, every=1_000), "a step name is 1-256 characters"),
        (lambda ctx: ctx.poll("ready", 3, every=1_000), "the second argument must be a function, not 3"),
        (lambda ctx: ctx.poll("ready", number, every="now"), "every: 'now' is no duration"),
        (lambda ctx: ctx.poll("ready", number, every=999), "every must be at least 1 second, not 999 ms"),
        (
            lambda ctx: ctx.poll("ready", number, every=1_000, timeout=10),
            "timeout must be at least 1 second, not 10 ms",
        ),
        (
            lambda ctx: ctx.poll("ready", number, every=1_000, timeout="30 days"),
            f"would be 2,592,000 checks; the limit is {CHECKS:,}",
        ),
        (lambda ctx: ctx.poll("ready", number, every=1_000, timeout=9_000, retries={"often": 1}), "no key"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(call, told):
    async def run(event, ctx):
        try:
            await call(ctx)
        except InvalidInput as wrong:
            return wrong.message

    played = play(run)
    assert told in played.result
    assert played.settled == []
