from __future__ import annotations

import json
from pathlib import Path

import pytest

from wflow import __version__
from wflow.bundle.lint import Finding
from wflow.bundle.rules import RULES
from wflow.cli import sarif

ROOT = Path("/home/ann/my shop")
CLOCK = Finding(
    rule="WF101",
    path="src/my flow.py",
    line=12,
    column=5,
    end_line=13,
    end_column=2,
    message="`time.time()` reads the clock",
    hint="use `ctx.now()`",
)
IDLE = Finding(rule="WF001", path="a.py", line=1, column=1, message="silences nothing", hint="")


@pytest.fixture
def run():
    log = json.loads(json.dumps(sarif.log([CLOCK, IDLE], ROOT)))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    return run


def test_the_tool_names_itself_and_all_its_rules(run):
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("wflow", __version__)
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}


def test_a_result_names_its_rule_by_id_and_by_place(run):
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("WF101", "warning"),
        ("WF001", "note"),
    ]
    assert run["results"][0]["message"]["text"] == "`time.time()` reads the clock\nuse `ctx.now()`"
    assert run["results"][1]["message"]["text"] == "silences nothing"


def test_a_result_has_a_relative_uri_and_a_region(run):
    (clock,), (idle,) = (result["locations"] for result in run["results"])
    assert clock["physicalLocation"] == {
        "artifactLocation": {"uri": "src/my%20flow.py", "uriBaseId": "PROJECT"},
        "region": {"startLine": 12, "startColumn": 5, "endLine": 13, "endColumn": 2},
    }
    assert idle["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 1}
    assert run["originalUriBaseIds"]["PROJECT"]["uri"] == "file:///home/ann/my%20shop/"
    assert run["columnKind"] == "unicodeCodePoints"


def test_no_findings_are_a_run_without_results():
    log = json.loads(json.dumps(sarif.log([], ROOT)))
    assert log["runs"][0]["results"] == []
