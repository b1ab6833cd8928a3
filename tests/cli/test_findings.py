from __future__ import annotations

from wflow.bundle.lint import Finding
from wflow.bundle.rules import RULES
from wflow.cli import findings

CLOCK = Finding(
    rule="WF101",
    path="src/workflow.py",
    line=12,
    column=5,
    message="`time.time()` outside a step",
    hint="use `ctx.now()`",
)


def test_a_finding_begins_with_its_place_and_ends_with_its_hint():
    assert findings.text(CLOCK) == (
        "src/workflow.py:12:5 WF101 `time.time()` outside a step\n    hint: use `ctx.now()`"
    )


def test_a_finding_for_a_program_has_every_part_by_name():
    assert findings.plain(CLOCK) == {
        "rule": "WF101",
        "path": "src/workflow.py",
        "line": 12,
        "column": 5,
        "end_line": None,
        "end_column": None,
        "message": "`time.time()` outside a step",
        "hint": "use `ctx.now()`",
    }


def test_a_rule_is_explained_with_its_reason_an_example_and_what_silences_it():
    lines = findings.explained("WF101", RULES["WF101"]).splitlines()
    assert lines[0] == "WF101: a clock outside a step"
    assert RULES["WF101"].why in lines
    assert f"    {RULES['WF101'].wrong}    # WF101" in lines
    assert f"    {RULES['WF101'].right}" in lines
    assert lines[-1] == "`# wflow: ignore[WF101]` at the end of a line silences it there."


def test_what_no_comment_silences_is_explained_without_one():
    assert "# wflow: ignore[" not in findings.explained("WF000", RULES["WF000"])
