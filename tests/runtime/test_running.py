"""Attempts that must be on disk before they begin, and steps that end their process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.stage import number, play
from wflow.engine.facts import Failed, Opened, Settled, Tried
from wflow.errors import InvalidInput, StepInterrupted, WorkflowTimeoutError
from wflow.runtime.step_context import StepContext

ONCE: dict[str, Any] = {"at_most_once": True}


def tried(stage):
    return [(fact.key, fact.attempt) for fact in stage.facts if isinstance(fact, Tried)]


# -- at most once ------------------------------------------------------------------------------------------


def test_an_attempt_of_an_at_most_once_step_is_on_disk_before_it_begins():
    kept = []

    async def run(event, ctx):
        async def charge():
            kept.append(tried(stages[0]))
            return 5

        return await ctx.do("charge", charge, **ONCE)

    stages: list[Any] = []

    async def script(stage):
        stages.append(stage)

    played = play(run, script)
    assert played.result == 5
    assert kept == [[("charge-1", 1)]]
    assert played.told == ["Opened", "Tried", "Settled"]
    (opened,) = (fact for fact in played.facts if isinstance(fact, Opened))
    assert opened.detail["atMostOnce"] is True


@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
@pytest.mark.parametrize("crash", range(6))
def test_it_is_called_at_most_once_whenever_the_process_dies(when, crash):
    calls: list[int] = []

    async def run(event, ctx):
        await ctx.do("first", number, 1)
        try:
            told = await ctx.do("charge", calls.append, 1, **ONCE)
        except StepInterrupted as error:
            told = str(error)
        await ctx.do("after", number, 2)
        return told

    options: dict[str, Any] = {when: {crash}}
    played = play(run, **options)
    assert len(calls) <= 1
    if played.result is None:
        assert calls == [1]
    else:
        assert played.result.startswith("Attempt failed due to internal workflows error")


def test_one_that_was_cut_off_fails_its_instance_when_nobody_catches_that():
    async def run(event, ctx):
        await ctx.do("charge", asyncio.Event().wait, **ONCE)

    async def script(stage):
        await stage.until(lambda: stage.running and tried(stage))
        stage.evict()

    played = play(run, script)
    assert played.failure.name == "StepInterrupted"
    assert played.told == ["Opened", "Tried", "Failed", "Settled"]


def test_errors_of_an_at_most_once_step_are_tried_again_only_when_it_is_said_how_often():
    calls: list[str] = []

    def fail(which):
        calls.append(which)
        raise ValueError("declined")

    async def run(event, ctx):
        with pytest.raises(ValueError, match="declined"):
            await ctx.do("charge", fail, "first", **ONCE)
        with pytest.raises(ValueError, match="declined"):
            await ctx.do("charge", fail, "second", retries={"limit": 2, "delay": 0}, **ONCE)

    assert play(run).status == "complete"
    assert calls == ["first", "second", "second", "second"]


def test_one_that_may_be_retried_is_made_again_when_it_was_cut_off_and_that_uses_up_a_retry():
    calls = []

    async def charge():
        calls.append(1)
        if len(calls) < 3:
            await asyncio.Event().wait()
        raise ValueError("declined")

    async def run(event, ctx):
        await ctx.do("charge", charge, retries={"limit": 2, "delay": 0}, **ONCE)

    async def script(stage):
        for n in (1, 2):
            await stage.until(lambda n=n: len(calls) == n)
            stage.crash()

    played = play(run, script)
    assert played.failure.message == "declined"
    assert len(calls) == 3


def test_at_most_once_is_yes_or_no():
    async def run(event, ctx):
        with pytest.raises(InvalidInput, match="at_most_once is True or False, not 1"):
            ctx.do("charge", number, 1, at_most_once=1)

    assert play(run).status == "complete"


# -- what was cut off --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["crash", "evict"])
def test_a_step_that_is_cut_off_is_made_again_and_has_used_up_no_retry(how):
    calls = []

    async def slow(ctx):
        calls.append(ctx.attempt)
        if len(calls) <= 2:
            await asyncio.Event().wait()
        if len(calls) == 3:
            raise ValueError("its own error")
        return "done"

    async def run(event, ctx):
        return await ctx.do("slow", slow, retries={"limit": 1, "delay": 0})

    async def script(stage):
        for n in (1, 2):
            await stage.until(lambda n=n: len(tried(stage)) >= n and len(calls) == n)
            getattr(stage, how)()

    played = play(run, script, linger_s=0.002)
    assert played.result == "done"
    assert calls == [1, 2, 3, 4]
    interrupted = [fact.failure.name for fact in played.facts if isinstance(fact, Failed)]
    assert interrupted == (["StepInterrupted"] * 2 if how == "crash" else []) + ["ValueError"]


@pytest.mark.parametrize("kind", ["quick", "announced", "at_most_once", "undoable"])
def test_a_step_that_ends_its_process_again_and_again_is_given_up(kind):
    calls: list[int] = []
    stages: list[Any] = []
    options: dict[str, dict[str, Any]] = {
        "at_most_once": {"at_most_once": True, "retries": {"limit": 100, "delay": 0}},
        "undoable": {"rollback": lambda: None},
    }

    async def poison():
        calls.append(1)
        if kind == "announced":
            await asyncio.sleep(0.01)
        stages[0].crash()
        await asyncio.Event().wait()

    async def run(event, ctx):
        await ctx.do("before", number, 1)
        try:
            await ctx.do("poison", poison, **options.get(kind, {}))
        except StepInterrupted as error:
            return str(error)

    async def script(stage):
        stages.append(stage)

    played = play(run, script, linger_s=0.001)
    assert "5 times under this step, which is not tried again" in played.result
    # Nobody heard of the very first one, which had only just begun.
    assert len(calls) == (6 if kind in {"quick", "undoable"} else 5)


def test_steps_that_only_stood_beside_one_that_ends_the_process_go_on_when_it_is_given_up():
    stages: list[Any] = []

    async def poison():
        await asyncio.sleep(0.004)
        stages[0].crash()
        await asyncio.Event().wait()

    async def run(event, ctx):
        done = await asyncio.gather(
            ctx.do("poison", poison), ctx.do("slow", asyncio.sleep, 0.001), return_exceptions=True
        )
        return [type(one).__name__ for one in done]

    async def script(stage):
        stages.append(stage)

    assert play(run, script, linger_s=0.001).result == ["StepInterrupted", "NoneType"]


def test_after_a_death_only_the_steps_that_were_open_are_put_on_disk_first():
    async def run(event, ctx):
        return [await ctx.do("step", number, n) for n in range(5)]

    async def script(stage):
        await stage.until(lambda: stage.commits == 2)
        stage.crash()

    played = play(run, script)
    assert played.result == [0, 1, 2, 3, 4]
    assert len([fact for fact in played.facts if isinstance(fact, Tried)]) == 1
    assert len([fact for fact in played.facts if isinstance(fact, Settled)]) == 5


# -- timeouts ----------------------------------------------------------------------------------------------


def test_a_step_that_was_put_on_disk_first_times_out_as_any_other():
    async def run(event, ctx):
        try:
            await ctx.do("charge", asyncio.Event().wait, timeout=10, **ONCE)
        except WorkflowTimeoutError as error:
            return str(error)

    assert play(run).result == "Execution timed out after 10ms"


def test_the_context_of_a_step_tells_its_settings():
    told = []

    async def look(ctx):
        told.append(ctx)

    async def run(event, ctx):
        await ctx.do("look", look, **ONCE)

    play(run)
    assert isinstance(told[0], StepContext)
    assert told[0].config.retries.limit == 0
