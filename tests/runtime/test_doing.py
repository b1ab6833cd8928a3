"""A call of `ctx.do` is read once, and means the same as if it were read each time."""

from __future__ import annotations

import asyncio
import functools
import gc
import weakref
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from tests.runtime.stage import play
from wflow.engine.facts import Settled
from wflow.errors import InvalidInput
from wflow.runtime import doing, site


@dataclass
class Receipt:
    amount: int


async def receipt(amount: int) -> Receipt:
    return Receipt(amount)


def plain(amount):
    return amount + 1


async def with_context(amount, ctx):
    return amount, ctx.step.name, ctx.step.count


async def with_default(amount, more=5):
    return amount + more


class Till:
    def __init__(self, more):
        self.more = more

    async def method(self, amount):
        return amount + self.more

    def plain_method(self, amount, ctx):
        return amount + self.more + ctx.attempt

    async def __call__(self, amount):
        return amount * self.more


def closed_over(more):
    async def call(amount):
        return amount + more

    return call


KINDS = [
    receipt,
    plain,
    with_context,
    with_default,
    Till(3).method,
    Till(4).plain_method,
    Till(5),
    functools.partial(plain),
    functools.partial(with_context),
    closed_over(7),
    lambda amount: receipt(amount + 1),
]


@pytest.mark.parametrize("function", KINDS)
def test_what_is_read_once_is_done_as_what_is_read_each_time(function):
    def run_with(**options):
        async def run(event, ctx):
            for amount in range(3):
                await ctx.do("step", function, amount, **options)

        return run

    def told(played):
        facts = [fact for fact in played.facts if isinstance(fact, Settled)]
        return [replace(fact, at=0, opened_at=0, began_at=0, site="") for fact in facts]

    once, each = told(play(run_with())), told(play(run_with(formerly=None)))
    assert once == each
    assert len(once) == 3


def test_each_place_in_the_code_has_its_own_site():
    async def run(event, ctx):
        for _ in range(2):
            await ctx.do("step", receipt, 1)
        await ctx.do("step", receipt, 2)

    sites = [fact.site for fact in play(run).facts if isinstance(fact, Settled)]
    assert sites[0] == sites[1] != sites[2]
    assert sites[0].endswith('await ctx.do("step", receipt, 1)')


def test_one_name_for_two_functions_is_two_readings():
    async def run(event, ctx):
        return [await ctx.do("step", function, 1) for function in (receipt, plain, receipt)]

    assert play(run).result == [{"amount": 1}, 2, {"amount": 1}]


def test_one_function_with_and_without_an_argument_for_its_context():
    async def given(ctx="nothing"):
        return ctx if isinstance(ctx, str) else ctx.step.name

    async def run(event, ctx):
        return [await ctx.do("step", given, *arguments) for arguments in ((), ("here",), ())]

    assert play(run).result == ["step", "here", "step"]


@pytest.mark.parametrize("name", [["a", "list"], 7, None, "", "rollback:a"])
def test_a_name_that_cannot_be_is_refused_each_time(name):
    async def run(event, ctx):
        for _ in range(2):
            with pytest.raises(InvalidInput, match="a step name"):
                await ctx.do(name, receipt, 1)

    assert play(run).status == "complete"


def test_what_is_no_function_is_refused_each_time():
    async def run(event, ctx):
        for _ in range(2):
            with pytest.raises(InvalidInput, match="must be a function, not int"):
                await ctx.do("step", 7)

    assert play(run).status == "complete"


def test_what_a_function_has_closed_over_does_not_live_on():
    kept = []

    async def run(event, ctx):
        till = Till(1)
        kept.append(weakref.ref(till))

        async def call():
            return till.more

        await ctx.do("step", call)
        await ctx.do("method", till.method, 1)
        await ctx.do("default", lambda one=till: one.more)

    assert play(run).status == "complete"
    gc.collect()
    assert [one() for one in kept] == [None] * len(kept)


def test_calls_with_names_without_end_are_not_remembered_without_end(monkeypatch):
    monkeypatch.setattr(doing, "CALLS", 10)

    async def run(event, ctx):
        await asyncio.gather(*(ctx.do(f"step {n}", receipt, n) for n in range(100)))

    assert play(run).status == "complete"
    assert len(site.remembered) <= 10
