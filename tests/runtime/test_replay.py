"""Histories of every release, each replayed against the code of today: they lie in `tests/histories`.

A process has one hash seed, so those with the same seed are replayed in one process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.histories.make import SCENARIOS, file_of
from wflow import __version__
from wflow.engine.facts import Fact
from wflow.wire import history

if TYPE_CHECKING:
    from collections.abc import Iterable

HISTORIES = Path(__file__).parent.parent / "histories"
FILES = sorted(HISTORIES.glob("*.json"))
NAMES = [file.name for file in FILES]
PATIENCE_S = 50

Verdicts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    """What the code of today makes of each history."""
    return replayed(HISTORIES / "project", FILES)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """What code makes of them that asks for one more step before all others."""
    project = tmp_path_factory.mktemp("changed") / "project"
    shutil.copytree(HISTORIES / "project", project, ignore=shutil.ignore_patterns("__pycache__"))
    worker = project / "src" / "worker.py"
    lines = worker.read_text().splitlines()
    more = '        await ctx.do("one more", double, 1)'
    worker.write_text("\n".join(line for old in lines for line in with_more(old, more)))
    return replayed(project, FILES)


@pytest.mark.parametrize("name", NAMES)
def test_a_history_of_any_release_replays_cleanly(verdicts: Verdicts, name: str) -> None:
    found = verdicts[name]
    assert found["failure"] is None, found["failure"]
    assert found["heard"] == found["recorded"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_that_was_changed_is_noticed(changed: Verdicts, name: str) -> None:
    assert "one more-1" in (changed[name]["failure"] or "nothing")
    assert changed[name]["heard"] == 0


def test_loops_over_sets_need_the_hash_seed_of_their_history() -> None:
    file = HISTORIES / "0.1.0-chance.json"
    seeds = [replayed(HISTORIES / "project", [file], seed=seed)[file.name]["failure"] for seed in (1, 2, 3)]
    assert any(seeds)


def test_this_release_has_all_its_histories() -> None:
    missing = [name for name in SCENARIOS if not file_of(name).exists()]
    assert not missing, f"`make histories` records them for {__version__}"


def test_histories_hold_facts_of_every_kind() -> None:
    kinds = {type(fact) for file in FILES for _, fact in history.read(file.read_bytes()).facts}
    assert kinds == set(Fact.__args__)


@pytest.mark.parametrize("name", NAMES)
def test_a_history_is_written_again_as_it_was_read(name: str) -> None:
    raw = (HISTORIES / name).read_bytes()
    one = history.read(raw)
    assert history.read("".join(history.write(one)).encode()) == history.read(raw)


def replayed(project: Path, files: Iterable[Path], *, seed: int | None = None) -> Verdicts:
    by_seed: dict[int, list[Path]] = defaultdict(list)
    for file in files:
        by_seed[history.read(file.read_bytes()).hash_seed if seed is None else seed].append(file)
    found: Verdicts = {}
    for hash_seed, some in by_seed.items():
        done = subprocess.run(
            [sys.executable, "-P", HISTORIES / "replay.py", project, *some],
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        found |= json.loads(done.stdout)
    return found


def with_more(line: str, more: str) -> list[str]:
    """Put a step before all others of a workflow."""
    return [line, more] if "async def run(self, event: Event, ctx: Context)" in line else [line]
