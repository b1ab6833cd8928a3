"""Time and chance in workflow code: the same at each replay, and foreseen by nobody."""

from __future__ import annotations

import asyncio
import statistics
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.runtime.stage import CREATED, number, play
from wflow.engine.facts import Settled

POINTS = [(when, point) for when in ("crash_at", "crash_after") for point in range(5)]


@pytest.mark.parametrize(("when", "point"), POINTS)
def test_what_is_drawn_is_the_same_after_a_crash(when, point):
    drawn = []

    async def run(event, ctx):
        found = [ctx.uuid4(), ctx.random(), ctx.now()]
        await ctx.do("one", number, 1)
        found += [ctx.uuid4(), ctx.random(), ctx.now()]
        await ctx.do("two", number, 2)
        found += [ctx.uuid4(), ctx.random(), ctx.now()]
        drawn.append(found)
        await ctx.do("three", number, 3)
        return found

    options: dict[str, Any] = {when: {point}}
    found = play(run, **options).result
    assert all(each == found for each in drawn)
    assert len({*found[0::3], *found[1::3]}) == 6
    assert found[2::3] == sorted(found[2::3])


def test_the_same_seed_draws_the_same_in_every_release():
    async def run(event, ctx):
        return [ctx.uuid4(), ctx.random(), ctx.uuid4(), ctx.random()]

    found = play(run, seed=bytes(range(16))).result
    assert found == [
        UUID("c72c602c-be62-44c7-8d4c-25c4baf63400"),
        0.28968272341416745,
        UUID("4918a74c-dac5-4a11-bd45-939a394a9a80"),
        0.7641524416447928,
    ]


def test_a_uuid_is_one_of_version_4_and_a_number_is_spread_over_all_there_are():
    async def run(event, ctx):
        uuids = [ctx.uuid4() for _ in range(2_000)]
        assert all(uuid.version == 4 and uuid.variant == UUID(int=1 << 63).variant for uuid in uuids)
        fractions = [ctx.random() for _ in range(2_000)]
        return [len(set(uuids)), fractions]

    count, fractions = play(run).result
    assert count == len(set(fractions)) == 2_000
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert 0.47 < statistics.mean(fractions) < 0.53
    tenths = [int(10 * fraction) for fraction in fractions]
    assert all(150 < tenths.count(tenth) < 250 for tenth in range(10))


def test_one_more_uuid_moves_no_number():
    def drawing(uuids):
        async def run(event, ctx):
            for _ in range(uuids):
                ctx.uuid4()
            return [ctx.random(), ctx.random()]

        return run

    assert play(drawing(0)).result == play(drawing(3)).result


@pytest.mark.parametrize("seed", [b"", b"another one 1234"])
def test_other_instances_draw_something_else(seed):
    async def run(event, ctx):
        return [str(ctx.uuid4()), ctx.random()]

    assert not set(play(run).result) & set(play(run, seed=seed).result)


def test_now_is_when_it_started_and_then_when_the_last_outcome_came():
    async def run(event, ctx):
        first = ctx.now()
        await ctx.do("one", number, 1)
        second = ctx.now()
        await asyncio.sleep(0)
        assert ctx.now() == second
        return [event.timestamp, first, second]

    played = play(run)
    created, first, second = played.result
    assert created == datetime.fromtimestamp(CREATED / 1000, UTC)
    assert first == created + timedelta(seconds=1), "the stage starts it a second after it was created"
    (settled,) = (fact for fact in played.facts if isinstance(fact, Settled))
    assert second == max(first, datetime.fromtimestamp(settled.at / 1000, UTC))


def test_now_moves_on_with_a_sleep_and_never_back():
    async def run(event, ctx):
        before = ctx.now()
        await ctx.sleep("a while", 30)
        between = ctx.now()
        await asyncio.gather(ctx.sleep("a", 20), ctx.do("b", number, 1))
        return [before, between, ctx.now()]

    before, between, after = play(run, cold=True).result
    assert before <= between <= after


@pytest.mark.parametrize("draw", ["now", "uuid4", "random"])
@pytest.mark.parametrize("kind", ["async", "plain"])
def test_it_is_refused_inside_a_step_and_the_step_is_not_tried_again(draw, kind):
    ran = []

    async def run(event, ctx):
        async def body():
            ran.append(1)
            return getattr(ctx, draw)()

        def plain():
            ran.append(1)
            return getattr(ctx, draw)()

        await ctx.do("draw", body if kind == "async" else plain)

    played = play(run)
    assert played.failure.name == "NonRetryableError"
    assert f"ctx.{draw}() is for workflow code; inside a step use " in played.failure.message
    assert ran == [1]
