from __future__ import annotations

from wflow.bundle.lint import Finding
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
        "message": "`time.time()` outside a step",
        "hint": "use `ctx.now()`",
    }
