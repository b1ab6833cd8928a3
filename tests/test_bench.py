"""The benchmarks, with next to nothing to do: that each runs, tells what it should, and loses nothing.

Not how long anything takes: that is for `make bench`, on a quiet machine.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.bench import profiles
from tests.bench.__main__ import NAMES
from tests.bench.compare import compared
from tests.bench.measured import Row, Scale, table
from tests.bench.peers.__main__ import Pair
from tests.bench.peers.__main__ import table as peers
from tests.bench.session import Session, deployed
from tests.bench.suite import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = Path(__file__).parent / "bench"
ON_ONE_RUNNER = ("create", "create_batch", "asleep", "running", "fair")
ALONE = tuple(name for name in NAMES if name not in ON_ONE_RUNNER)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A runner for all that need no fresh one when there is so little to do."""
    with deployed() as up:
        yield up


@pytest.mark.parametrize("name", ALONE)
def test_a_benchmark_tells_what_it_measured(name):
    look_at(name, rows_of(name))


@pytest.mark.parametrize("name", ON_ONE_RUNNER)
def test_a_benchmark_of_a_deployed_project_tells_what_it_measured(name, session, monkeypatch):
    monkeypatch.setattr(f"tests.bench.{name}.deployed", lambda: contextlib.nullcontext(session))
    look_at(name, rows_of(name))


def test_every_benchmark_is_run_by_make_bench_and_has_all_sizes():
    files = {file.stem for file in BENCH.glob("*.py") if "alone(SIZES, rows)" in file.read_text()}
    assert files == set(NAMES)
    assert all(set(importlib.import_module(f"tests.bench.{name}").SIZES) == set(Scale) for name in NAMES)


def test_profiles_of_runner_and_runtime_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv(profiles.FOLDER, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "")
    rows_of("steps")
    for who in ("runner-*-loop", "runner-*-wflow-store", "runtime-*-loop"):
        (text,) = tmp_path.glob(f"{who}.txt")
        assert "Ordered by: internal time" in text.read_text()


@pytest.mark.parametrize(
    ("row", "met"),
    [
        ({"samples": [1, 2, 9], "goal": 2}, True),
        ({"samples": [3], "goal": 2}, False),
        ({"samples": [3], "goal": 2, "at_least": True}, True),
        ({"samples": [3], "goal": 2, "at_least": True, "bare": [10], "of_bare": True}, False),
        ({"samples": [3], "goal": 1.5, "bare": [2], "of_bare": True}, True),
        ({"samples": [3]}, None),
    ],
)
def test_a_goal_is_met_by_the_median_or_by_its_ratio_to_bare(row, met):
    assert Row(bench="b", work="w", unit="s", **row).met is met


def test_a_table_says_what_was_missed():
    missed = Row(bench="b", work="much", unit="s", samples=[3], goal=2, beside={"CPU s": 1.5})
    head, line, below = table([missed]).splitlines()
    assert head.split()[:3] == ["work", "to", "reach"]
    assert line.split() == ["much", "≤", "2", "s", "3", "s", "MISSED"]
    assert below.strip() == "CPU s 1.50"


def test_two_runs_are_compared_by_their_ratios_where_there_are_some():
    def row(work: str, median: float, **more: Any) -> Row:
        return Row(bench="b", work=work, unit="ms", samples=[median], **more)

    before = [row("plain", 10), row("of bare", 30, bare=[10]), row("gone", 1)]
    after = [row("plain", 5), row("of bare", 30, bare=[5]), row("new", 1)]
    _, plain, of_bare = compared(before, after).splitlines()
    assert re.split(r" {2,}", plain) == ["plain", "10 ms", "5 ms", "-50 %", "better"]
    assert re.split(r" {2,}", of_bare) == ["of bare", "3 x bare", "6 x bare", "+100 %", "worse"]


def test_peers_stand_side_by_side_with_how_much_quicker_we_are():
    pace = Pair(work="steps", unit="steps/s", ours=[300.0], theirs=[100.0, 200.0], at_least=True)
    wait = Pair(work="one", unit="ms", ours=[5.0], theirs=[20.0], at_least=False)
    _, first, second = peers([pace, wait]).splitlines()
    assert re.split(r" {2,}", first) == ["steps", "300 steps/s", "150 steps/s", "100 to 200", "2 x"]
    assert re.split(r" {2,}", second) == ["one", "5 ms", "20 ms", "4 x"]


def test_a_size_is_changed_field_by_field():
    steps = importlib.import_module("tests.bench.steps").SIZES[Scale.FULL]
    new = changed(steps, ["rounds=2", "shapes=1x2,3x4"])
    assert (new.rounds, new.shapes) == (2, ("1x2", "3x4"))


def rows_of(name: str) -> list[Row]:
    module = importlib.import_module(f"tests.bench.{name}")
    return list(module.rows(module.SIZES[Scale.TINY]))


def look_at(name: str, rows: list[Row]) -> None:
    assert rows
    assert {row.bench for row in rows} == {name}
    assert all(row.samples and all(map(math.isfinite, row.samples)) for row in rows)
    assert all(row.bare for row in rows if row.of_bare)
    # What is counted and has no unit is what must not be: lost, refused, done twice.
    assert [row.work for row in rows if not row.unit and any(row.samples)] == []
    assert msgspec.json.decode(msgspec.json.encode(rows), type=list[Row]) == rows
    assert len({row.work for row in rows}) == len(rows)
