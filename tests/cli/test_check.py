from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def project(wflow, monkeypatch):
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")
    return Path.cwd()


def spoil(project):
    source = project / "src" / "workflow.py"
    code = source.read_text(encoding="utf-8")
    first = '        step1 = await ctx.do("fetchData"'
    assert first in code
    source.write_text(code.replace(first, f"        import time; time.time()\n{first}"), encoding="utf-8")


def test_a_new_project_has_no_problems(wflow, project):
    ran = wflow("check")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("no problems found in ")


def test_a_problem_is_told_with_its_place_its_rule_and_a_hint(wflow, project):
    spoil(project)
    ran = wflow("check")
    assert ran.code == 1
    place, hint = ran.out.splitlines()
    assert place.startswith("src/workflow.py:")
    assert " WF101 " in place
    assert hint.startswith("    hint: ")
    assert ran.err.startswith("1 problem found in ")


def test_problems_for_a_program_are_json(wflow, project):
    assert json.loads(wflow("check", "--json").out)["findings"] == []
    spoil(project)
    ran = wflow("check", "--json")
    assert (ran.code, ran.err) == (1, "")
    told = json.loads(ran.out)
    assert [found["rule"] for found in told["findings"]] == ["WF101"]
    assert told["files"] >= 2


def test_a_config_that_is_wrong_is_one_report(wflow, project):
    config = project / "wflow.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("class_name", "clas_name"), encoding="utf-8")
    ran = wflow("check")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: `wflow.toml` has ")
    assert "did you mean `class_name`" in ran.err


def test_code_is_read_and_never_run(wflow, project):
    with (project / "src" / "worker.py").open("a", encoding="utf-8") as worker:
        worker.write("\nopen('ran', 'w').close()\n")
    wflow("check")
    assert not (project / "ran").exists()
