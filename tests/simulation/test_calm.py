"""Programs in which nothing races: whatever goes wrong, they end as they do when nothing does."""

from __future__ import annotations

import pytest

from tests.simulation.hypothetical import play_many, shown

PROGRAMS = 200


@pytest.mark.timeout(600)
def test_four_thousand_schedules_of_programs_without_races_change_nothing_of_their_ends():
    figures = play_many(PROGRAMS, calm=True)
    print(shown(figures))  # noqa: T201 - with `pytest -s` it is seen how much was tried
    assert figures["schedules"] >= 4_000
    assert all(figures[what] >= 500 for what in ("crashes", "evictions", "duplicates", "replays"))
