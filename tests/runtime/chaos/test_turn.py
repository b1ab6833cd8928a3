"""Workflows made up by chance, that are crashed, cancelled, paused and undone by chance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.stage import Played, Stage, play
from wflow.engine import status
from wflow.engine.facts import Failed, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Err, Ok
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.errors import StepInterrupted

BRIEFLY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@dataclass(frozen=True)
class Part:
    """A step, a sleep, or others one after the other or side by side.

    ``undo`` is how its rollback goes: None for none, else how often it fails before it succeeds.
    """

    kind: str
    number: int = 0
    undo: int | None = None
    parts: tuple[Part, ...] = ()


STEPS = st.builds(
    Part,
    kind=st.sampled_from(["value", "value", "failure", "slow", "flaky", "once"]),
    number=st.integers(0, 3),
    undo=st.sampled_from([None, 0, 0, 0, 1, 99]),
)
OTHERS = st.builds(Part, kind=st.sampled_from(["sleep", "cut", "unawaited"]), number=st.integers(0, 2))
PROGRAMS = st.recursive(
    STEPS | OTHERS,
    lambda inner: st.builds(
        Part,
        kind=st.sampled_from(["one by one", "side by side"]),
        parts=st.lists(inner, min_size=1, max_size=4).map(tuple),
    ),
    max_leaves=12,
)


@dataclass
class World:
    """What a workflow does there, and what is done to it; ``asks`` come after so many commits."""

    program: Part
    fails: bool
    asks: dict[int, str] = field(default_factory=dict)
    undone: list[tuple[str, Any]] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)

    async def run(self, event: object, ctx: Any) -> object:
        told: list[object] = []
        await self.perform(ctx, self.program, told)
        if self.fails:
            raise RuntimeError("in the end")
        return sorted(map(str, told))

    async def perform(self, ctx: Any, part: Part, told: list[object]) -> None:
        match part.kind:
            case "one by one":
                for one in part.parts:
                    await self.perform(ctx, one, told)
            case "side by side":
                await asyncio.gather(*(self.perform(ctx, one, told) for one in part.parts))
            case "sleep":
                await ctx.sleep("nap", part.number)
            case "cut":
                try:
                    async with asyncio.timeout(0.001 * (part.number + 1)):
                        await ctx.do("cut", asyncio.Event().wait, rollback=self.undo(0))
                except TimeoutError:
                    told.append("late")
            case "unawaited":
                task = asyncio.create_task(ctx.do("unawaited", self.body, "slow", 1, rollback=self.undo(0)))
                await asyncio.sleep(0)
                told.append(task is None)
            case _:
                told.append(await self.step(ctx, part))

    async def step(self, ctx: Any, part: Part) -> object:
        options: dict[str, Any] = {"retries": {"limit": 3, "delay": 0}}
        if part.kind == "once":
            options = {"at_most_once": True}
        if part.undo is not None:
            rollback = {"retries": {"limit": 3, "delay": 1, "backoff": "constant"}}
            options |= {"rollback": self.undo(part.undo), "rollback_config": rollback}
        try:
            given = await ctx.do(f"step {part.number}", self.body, part.kind, part.number, **options)
        except ValueError as error:
            return str(error)
        except StepInterrupted:
            if part.kind == "once":
                return part.number
            raise
        return given

    async def body(self, kind: str, number: int, ctx: Any) -> int:
        if kind == "slow":
            await asyncio.sleep(0.002)
        if kind == "failure" or (kind == "flaky" and ctx.attempt == 1):
            raise ValueError(f"no {number}")
        return number

    def undo(self, failures: int) -> Any:
        async def undo(step_name: str, output: object) -> None:
            self.tries[step_name] = self.tries.get(step_name, 0) + 1
            if self.tries[step_name] <= failures:
                raise OSError("busy")
            self.undone.append((step_name, output))

        return undo

    async def script(self, stage: Stage) -> None:
        def over() -> bool:
            return stage._over.done() or stage.turn.machine.rolling_back

        for after, what in sorted(self.asks.items()):
            await stage.until(partial(self.reached, stage, after))
            if what != "pause":
                stage.send(what)
            elif not over():
                stage.pause()
                await stage.until(lambda: stage.paused or over())
                stage.unpause()

    def reached(self, stage: Stage, after: int) -> bool:
        return stage.commits >= after or stage._over.done()


WORLDS = st.builds(World, program=PROGRAMS, fails=st.booleans())
CRASHES = st.fixed_dictionaries(
    {
        "crash_at": st.sets(st.integers(0, 14), max_size=3),
        "crash_after": st.sets(st.integers(0, 14), max_size=3),
        "cold": st.booleans(),
        "linger_s": st.sampled_from([None, 0.001]),
    }
)


@pytest.mark.cut_off
@given(world=WORLDS, crashes=CRASHES)
@BRIEFLY
def test_crashes_change_neither_the_end_nor_what_is_undone(world, crashes):
    whole = play(World(world.program, world.fails).run)
    played = play(world.run, world.script, **crashes)
    assert played.status == whole.status
    if whole.status == status.COMPLETE:
        assert played.result == whole.result
    else:
        assert played.failure.message == whole.failure.message
    assert_sound(world, played)


@pytest.mark.cut_off
@given(
    world=WORLDS,
    crashes=CRASHES,
    asks=st.dictionaries(st.integers(0, 10), st.sampled_from([CANCEL, ROLL_BACK, "pause"]), max_size=3),
)
@BRIEFLY
def test_whatever_is_asked_of_it_it_comes_to_a_sound_end(world, crashes, asks):
    world = World(world.program, world.fails, asks)
    played = play(world.run, world.script, **crashes)
    asked = {fact.type for fact in played.facts if isinstance(fact, Received)}
    if played.status == status.TERMINATED:
        assert asked
    else:
        assert played.status == (status.ERRORED if world.fails else status.COMPLETE)
        assert world.fails or played.result is not None
    assert_sound(world, played)
    if played.settled and played.rolled_back is None:
        # The journal alone, without its end, leads to the same end again.
        again = play(world.run, journal=played.stage.journal[:-1])
        assert (again.status, again.settled) == (played.status, played.settled)


def assert_sound(world: World, played: Played) -> None:
    """Check what must be so of any instance that is over."""
    begun = [isinstance(fact, Moved) and fact.status == status.ROLLING_BACK for fact in played.facts]
    if played.rolled_back is None:
        assert not any(begun)
        assert played.undone == []
        return
    before = played.facts[: begun.index(True)] if any(begun) else played.facts
    orders = {fact.key: fact.order for fact in played.facts if isinstance(fact, (Opened, Settled))}
    undoable = {
        fact.key for fact in before if isinstance(fact, (Opened, Settled)) and fact.detail.get("rollback")
    }
    tried = {fact.key for fact in before if isinstance(fact, (Tried, Failed, Settled))}
    due = sorted(undoable & tried, key=orders.__getitem__, reverse=True)
    assert played.undone == due[: len(played.undone)]
    ends = {fact.key: fact.outcome for fact in played.facts if isinstance(fact, Settled)}
    if played.rolled_back.failure is None:
        assert played.undone == due
    else:
        assert isinstance(ends[f"rollback:{played.undone[-1]}"], Err)
    done = [key for key in played.undone if isinstance(ends[f"rollback:{key}"], Ok)]
    assert list(dict.fromkeys(key for key, _ in world.undone)) == done
    for key, output in world.undone:
        outcome = ends.get(key)
        assert (output is not None) == isinstance(outcome, Ok)
