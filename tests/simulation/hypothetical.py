"""Programs that Hypothesis makes up, each with many schedules; one that goes wrong is made small."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.simulation import drawing
from tests.simulation.choices import Choices
from tests.simulation.running import SCHEDULES, judged, schedules
from tests.simulation.shrinking import as_a_test, by_the_same_rule, shrunk

if TYPE_CHECKING:
    from tests.simulation.bodies import Program
    from tests.simulation.schedules import Case, Sent


class Wrong(AssertionError):
    """A schedule of the program at hand leads to what cannot be."""


@st.composite
def programs(draw: st.DrawFn, *, calm: bool) -> tuple[Program, tuple[Sent, ...]]:
    """Draw a program, and what is sent to it."""
    return drawing.case_of(Choices(lambda limit: draw(st.integers(0, limit - 1))), calm=calm)


def play_many(programs_at_least: int, *, calm: bool) -> Counter[str]:
    """Play so many programs; give what there was, or raise AssertionError with a test to keep."""
    figures: Counter[str] = Counter()
    found: list[tuple[str, Case]] = []

    @settings(
        max_examples=programs_at_least,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn=programs(calm=calm), seed=st.integers(0, 10**6))
    def each(drawn: tuple[Program, tuple[Sent, ...]], seed: int) -> None:
        figures["programs"] += 1
        for case, world, wrong in schedules(*drawn, seed, SCHEDULES):
            figures.update(world.figures)
            if wrong:
                found.append((wrong[0][0], case))
                raise Wrong(wrong[0])

    with contextlib.suppress(Wrong):
        each()
    if found:
        rule, case = found[-1]
        small = shrunk(case, by_the_same_rule(rule))
        broken = judged(small)[1] or judged(case)[1]
        raise AssertionError(as_a_test(small, *broken[0]))
    return figures


def shown(figures: Counter[str]) -> str:
    """Say in one line what there was."""
    return ", ".join(f"{count:,} {what}" for what, count in figures.most_common())
