"""Many schedules of many bodies, each by its seed: the same seed gives the same, whatever runs beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation import drawing
from tests.simulation.bodies import is_calm
from tests.simulation.checker import check, outline_of
from tests.simulation.choices import by_chance
from tests.simulation.schedules import Case, Schedule
from tests.simulation.world import World, play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.bodies import Program
    from tests.simulation.schedules import Sent

SCHEDULES = 20
"""Of one body; the first of them is the one in which nothing goes wrong."""

Found = list[tuple[str, str]]


def judged(case: Case) -> tuple[World, Found]:
    """Play a case, and say what is wrong; of a calm one, also that it ends otherwise than undisturbed."""
    calm = None
    if case.schedule != Schedule() and not case.steered and is_calm(case.program, case.events):
        calm = outline_of(play(replace(case, schedule=Schedule())))
    world = play(case)
    return world, check(world, calm)


def schedules(
    program: Program, sent: tuple[Sent, ...], seed: object, count: int = SCHEDULES
) -> Iterator[tuple[Case, World, Found]]:
    """Play a program with so many schedules."""
    case = Case(program, sent)
    world = play(case)
    calm = outline_of(world) if not case.steered and is_calm(program, case.events) else None
    yield case, world, check(world)
    for number in range(1, count):
        case = Case(program, sent, drawing.schedule(by_chance(f"{seed} {number}")))
        world = play(case)
        yield case, world, check(world, calm)


def body(seed: int, count: int = SCHEDULES) -> Iterator[tuple[Case, World, Found]]:
    """Draw a program by its seed, and play it; of every third nothing races."""
    program, sent = drawing.case_of(by_chance(f"body {seed}"), calm=seed % 3 == 0)
    yield from schedules(program, sent, f"schedules {seed}", count)
