"""A step's function that has a parameter `ctx` learns which step and which attempt it is."""

from __future__ import annotations

import functools

import pytest

from tests.runtime.stage import number, play
from wflow.errors import NonRetryableError
from wflow.runtime.step_context import context_of, wants_context


class Till:
    async def method(self, amount, ctx):
        return amount + ctx.attempt

    def __call__(self, amount, *, ctx):
        return amount + ctx.attempt


async def before(ctx, amount=41):
    return amount + ctx.attempt


def behind(amount, ctx):
    return amount + ctx.attempt


def by_name_only(amount, *, ctx=None):
    return amount + ctx["attempt"]


@functools.wraps(behind)
def wrapped(*given, **named):
    return behind(*given, **named)


@functools.wraps(behind)
def wrapped_and_deaf(*given):
    return behind(given[0], context_of("own-1", 1, {}))


@pytest.mark.parametrize(
    "function",
    [
        behind,
        by_name_only,
        wrapped,
        wrapped_and_deaf,
        Till().method,
        Till(),
        functools.partial(behind),
        lambda amount, ctx: number(amount + ctx.attempt),
    ],
    ids=["plain", "keyword", "wrapped", "wrapped-deaf", "method", "object", "partial", "lambda"],
)
def test_whatever_can_be_called_gets_the_context_if_it_asks_for_it(function):
    async def run(event, ctx):
        return await ctx.do("add", function, 41)

    assert play(run).result == 42


def test_a_context_before_the_other_parameters_is_given_as_well():
    async def run(event, ctx):
        return await ctx.do("add", before)

    assert play(run).result == 42


def test_a_parameter_that_an_argument_fills_is_the_callers():
    def shout(ctx):
        return ctx.upper()

    async def run(event, ctx):
        return [
            await ctx.do("shout", shout, "hey"),
            await ctx.do("bound", functools.partial(shout, ctx="hey")),
            await ctx.do("by place only", lambda ctx, /: ctx, "hey"),
        ]

    assert play(run).result == ["HEY", "HEY", "hey"]


@pytest.mark.parametrize(
    "function", [len, print, lambda: 1, lambda **named: named, lambda ctx, /: ctx, dict, Till]
)
def test_what_does_not_ask_for_it_does_not_get_it(function):
    assert not wants_context(function, 0)


def test_the_context_tells_the_step_the_visit_and_the_settings_in_both_spellings():
    def look(ctx):
        assert ctx["step"]["name"] == ctx.step.name
        assert ctx["config"]["retries"]["limit"] == ctx.config.retries.limit
        assert ctx["idempotencyKey"] == ctx["idempotency_key"] == ctx.idempotencyKey == ctx.idempotency_key
        return {key: held for key, held in ctx.items() if key != "idempotencyKey"}

    async def run(event, ctx):
        await ctx.do("look-2", look)
        return [
            await ctx.do("look-2", look, retries={"limit": 1, "delay": "2 seconds"}, timeout="1 minute"),
            await ctx.do("look", look, config={"retries": {"limit": 7, "delay": 0, "backoff": "linear"}}),
            await ctx.do("default", look),
        ]

    default = {"limit": 5, "delay": 10_000, "backoff": "exponential"}
    assert play(run).result == [
        {
            "step": {"name": "look-2", "count": 2},
            "attempt": 1,
            "config": {"retries": {**default, "limit": 1, "delay": 2_000}, "timeout": 60_000},
        },
        {
            "step": {"name": "look", "count": 1},
            "attempt": 1,
            "config": {"retries": {"limit": 7, "delay": 0, "backoff": "linear"}, "timeout": 600_000},
        },
        {
            "step": {"name": "default", "count": 1},
            "attempt": 1,
            "config": {"retries": default, "timeout": 600_000},
        },
    ]


@pytest.mark.parametrize("crash_after", [(), (0,), (1,), (2,)])
def test_the_attempt_is_the_one_that_runs_after_failures_and_crashes_too(crash_after):
    seen = []

    async def flaky(ctx):
        seen.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ConnectionError
        return ctx.attempt

    async def run(event, ctx):
        return await ctx.do("flaky", flaky, retries={"limit": 3, "delay": 0})

    assert play(run, crash_after=crash_after).result == 3
    assert seen == sorted(seen)
    assert isinstance(seen[0], int)


def test_it_is_read_only():
    def change(ctx):
        with pytest.raises(TypeError, match="read-only"):
            ctx["attempt"] = 0
        raise NonRetryableError(str(ctx.attempt))

    async def run(event, ctx):
        await ctx.do("change", change)

    assert play(run).failure.message == "1"
