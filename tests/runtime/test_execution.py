"""`ctx.wait_until`: what goes on after the answer, and for how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wflow.runtime.execution import TOO_LONG, ExecutionContext, depth, entered, wait_until

if TYPE_CHECKING:
    import pytest


def test_what_goes_on_is_waited_for_with_what_that_lets_go_on():
    done: list[str] = []

    async def story() -> None:
        ctx = ExecutionContext()

        async def first() -> None:
            await asyncio.sleep(0.001)
            wait_until(second())
            done.append("first")

        async def second() -> None:
            await asyncio.sleep(0.001)
            done.append("second")

        with entered(ctx):
            ctx.waitUntil(first())
        assert ctx.goes_on
        await ctx.finished()
        assert not ctx.goes_on

    asyncio.run(story())
    assert done == ["first", "second"]


def test_what_takes_too_long_is_cancelled_and_the_log_says_so(capsys: pytest.CaptureFixture[str]):
    async def story() -> bool:
        ctx = ExecutionContext()
        task = asyncio.ensure_future(asyncio.sleep(60))
        ctx.wait_until(task)
        await ctx.finished(0.01)
        await asyncio.sleep(0)
        return task.cancelled()

    assert asyncio.run(story())
    assert TOO_LONG in capsys.readouterr().err


def test_what_it_raises_is_logged_and_ends_nothing_else(capsys: pytest.CaptureFixture[str]):
    async def story() -> None:
        ctx = ExecutionContext()

        async def fails() -> None:
            raise ValueError("too late")

        ctx.wait_until(fails())
        await ctx.finished()
        ctx.pass_through_on_exception()
        ctx.passThroughOnException()

    asyncio.run(story())
    assert "ValueError: too late" in capsys.readouterr().err


def test_outside_of_a_request_it_goes_on_by_itself():
    async def story() -> list[str]:
        done: list[str] = []

        async def later() -> None:
            done.append("later")

        wait_until(later())
        assert depth() == 0
        with entered(ExecutionContext(depth=3)):
            assert depth() == 3
        await asyncio.sleep(0)
        return done

    assert asyncio.run(story()) == ["later"]
