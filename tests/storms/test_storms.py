"""A hundred runs and more of each storm; `make storms N=10000` lets them rage longer."""

from __future__ import annotations

import pytest

from tests.storms.storms import STORMS, weather

RUNS = 120


@pytest.mark.parametrize("name", STORMS)
def test_every_run_of_a_storm_ends_right(name, tmp_path):
    verdicts = weather(name, tmp_path, RUNS)
    assert len(verdicts) == RUNS
    assert {id_: wrong for id_, wrong in verdicts.items() if wrong} == {}
