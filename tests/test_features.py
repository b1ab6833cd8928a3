"""Every feature of Cloudflare Workflows has a story that is named after it, or a reason in README why not."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
STORIES = ROOT / "tests" / "stories"

COUNTS = {"a": 43, "b": 29, "c": 21, "d": 18, "f": 17, "j": 18}
"""How many features there are: of workflow code, of the engine, of the workflow binding, of the config, of a
dev session, of the other bindings."""

ELSEWHERE = {
    ("a", 3): ("stories/test_story_schedules.py", "test_a_firing_of_a_workflows_schedule_is_one_instance"),
    ("b", 10): ("stories/test_story_limits.py", "test_more_than_the_creation_rate_are_refused"),
    ("b", 18): ("runner/test_schedules.py", "test_a_schedule_of_a_workflow_creates_an_instance_for_each"),
    ("b", 26): ("stories/test_story_limits.py", "test_of_one_key_one_runs_at_a_time_and_the_urgent_one"),
    ("f", 4): ("runner/test_schedules.py", "test_a_handler_is_called_at_each_instant_of_its_cron"),
    ("f", 5): ("stories/test_story_schedules.py", "test_wranglers_address_fires_the_handler"),
}
"""Features whose tests are not named after them: the file, and how the test's name begins."""

TEST = re.compile(r"^def test_([abcdfj])(\d+)_", re.MULTILINE)
ROW = re.compile(r"^\| ([ABCDFJ])(\d+) \| (.+) \| (.+) \|$", re.MULTILINE)

Feature = tuple[str, int]


def test_every_feature_has_a_story_or_a_reason_and_none_has_both():
    tried = [*ELSEWHERE, *(feature for file in stories() for feature in tried_in(file))]
    left = list(left_out())
    assert sorted({*tried, *left}) == [
        (group, number) for group, count in COUNTS.items() for number in range(1, count + 1)
    ]
    for file, name in ELSEWHERE.values():
        assert f"\ndef {name}" in (STORIES.parent / file).read_text(encoding="utf-8"), name
    assert not set(tried) & set(left)
    assert len(set(left)) == len(left)


def test_a_story_of_features_has_those_of_its_group_in_their_order():
    assert len(stories()) >= len(COUNTS)
    for file in stories():
        features = tried_in(file)
        group = file.stem.removeprefix("test_story_features_")[0]
        assert {each for each, _ in features} == {group}, file.name
        assert features == sorted(features), file.name


def stories() -> list[Path]:
    return sorted(STORIES.glob("test_story_features_*.py"))


def tried_in(file: Path) -> list[Feature]:
    return [(group, int(number)) for group, number in TEST.findall(file.read_text(encoding="utf-8"))]


def left_out() -> list[Feature]:
    """Read what README says is left out."""
    rows = ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [(group.lower(), int(number)) for group, number, _, _ in rows]
