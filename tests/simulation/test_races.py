"""Programs in which everything races with everything, through every mishap there is."""

from __future__ import annotations

import pytest

from tests.simulation.hypothetical import play_many, shown

PROGRAMS = 300


@pytest.mark.timeout(600)
def test_six_thousand_schedules_of_programs_that_race_break_no_rule():
    figures = play_many(PROGRAMS, calm=False)
    print(shown(figures))  # noqa: T201 - with `pytest -s` it is seen how much was tried
    assert figures["schedules"] >= 6_000
    assert all(
        figures[what] >= 1_000 for what in ("crashes", "evictions", "duplicates", "replays", "several")
    )
