"""The way of an instance's code to its end; more of it is in the tests of turns, of ends and of undoing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from tests.runtime.stage import number, play
from wflow.engine import status
from wflow.engine.outcome import Ok
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.engine.seen import Asked, Seen
from wflow.runtime.course import Course, Over


class Silent:
    """Machine, code and steps of an instance of which nothing is left to do."""

    rolling_back = False

    def __init__(self):
        self.undoings = SimpleNamespace(known={}, begun=lambda _: [])
        self.machine = self
        self.loop = asyncio.get_running_loop()
        self.handed: list[Seen] = []
        self.hand = self.handed.append

    def unfinished(self) -> list[str]:
        return []


def test_it_stops_when_the_code_has_ended_and_gives_what_that_gave():
    async def perform():
        code: Any = Silent()
        course = Course(code, code, print)
        course.begin(returns(7))
        stopped = [course.task.done()]
        await asyncio.wait([course.task])
        assert [*stopped, course.task.done()] == [False, True]
        return course.over()

    async def returns(value):
        return value

    assert asyncio.run(perform()) == Over(Ok(b"\x07"))


def test_outcomes_are_for_code_that_is_there_to_see_them():
    async def perform():
        code: Any = Silent()
        course = Course(code, code, print)
        course.begin(asyncio.sleep(0))
        course.hear(Seen("a-1", Ok(), 1))
        await asyncio.wait([course.task])
        course.hear(Seen("b-1", Ok(), 2))
        return [seen.key for seen in code.handed]

    assert asyncio.run(perform()) == ["a-1"]


def test_code_that_has_ended_is_hurried_by_a_cancellation_and_not_undone_by_it():
    async def perform():
        code: Any = Silent()
        course = Course(code, code, print)
        course.begin(asyncio.sleep(0))
        await asyncio.wait([course.task])
        code.unfinished = lambda: ["slow-1"]
        course.hear(Asked(CANCEL, 1))
        return course.over()

    assert asyncio.run(perform()) == Over(Ok(b"\xc0"))


def test_a_termination_with_rollback_comes_before_what_the_code_would_end_with():
    async def run(event, ctx):
        await ctx.do("a", number, 1)
        await ctx.wait_for_event("wait", "paid")

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.send(ROLL_BACK)
        await stage.end()

    assert play(run, script).status == status.TERMINATED
