"""Questions and answers by number."""

from __future__ import annotations

import asyncio

import pytest

from wflow.runner.asked import Asked, Ended


def test_each_question_gets_its_own_answer_and_is_forgotten():
    async def story():
        asked: Asked[str] = Asked()
        with asked.asking() as (one, first), asked.asking() as (two, second):
            assert len(asked) == 2
            asked.answer(two, "b")
            asked.answer(one, "a")
            asked.answer(one, "again")
            asked.answer(99, "to nobody")
            assert (await first, await second) == ("a", "b")
        assert len(asked) == 0
        asked.answer(one, "late")

    asyncio.run(story())


def test_a_failure_is_everybodys_who_has_no_answer_yet():
    async def story():
        asked: Asked[str] = Asked()
        with asked.asking() as (one, first), asked.asking() as (_, second):
            asked.answer(one, "a")
            asked.fail(Ended("the runner ended it"))
            assert await first == "a"
            with pytest.raises(Ended):
                await second

    asyncio.run(story())
