from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from wflow.bundle.rules import RULES


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


CLOCK = """import time
from wflow import WorkflowEntrypoint

class A(WorkflowEntrypoint):
    async def run(self, event, ctx):
        time.time()
"""


@pytest.fixture
def typed(monkeypatch):
    """Have stdin give a text."""

    def give(text):
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def test_only_what_is_asked_for_is_told(wflow, project):
    for name in ("src/one.py", "src/deep/two.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(CLOCK, encoding="utf-8")

    def places(*paths):
        ran = wflow("check", *paths)
        assert ran.code == bool(ran.out)
        return [line.split(":")[0] for line in ran.out.splitlines() if " WF101 " in line]

    assert places() == ["src/deep/two.py", "src/one.py"]
    assert places("src/one.py") == ["src/one.py"]
    assert places("src/deep") == ["src/deep/two.py"]
    assert places("src/deep", str(project / "src" / "one.py")) == ["src/deep/two.py", "src/one.py"]
    assert places(".") == ["src/deep/two.py", "src/one.py"]
    assert places("src/worker.py", "wflow.toml") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.py"], "there is no gone.py"),
        (["/"], "/ is not in this project"),
        (["--json", "--sarif"], "two ways to print the same"),
        (["src", "--stdin-filename", "src/worker.py"], "names the one file that is checked"),
        (["--stdin-filename", "/elsewhere/a.py", "--config", "wflow.toml"], "is not in this project"),
        (["--explain", "WF9"], "there is no rule 'WF9'"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_cannot_be_asked_is_told(wflow, typed, arguments, said):
    typed("")
    ran = wflow("check", *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert "hint: " in ran.err or said.endswith(("gone.py", "project"))


def test_a_text_on_stdin_counts_instead_of_the_file(wflow, project, typed):
    spoil(project)
    typed(CLOCK)
    ran = wflow("check", "--stdin-filename", "src/worker.py")
    assert ran.code == 1
    assert [line.split()[0] for line in ran.out.splitlines()[::2]] == ["src/worker.py:6:9"]
    typed("")
    ran = wflow("check", "--stdin-filename", "src/workflow.py", "--json")
    assert (ran.code, json.loads(ran.out)) == (0, {"findings": [], "files": 1})


def test_a_text_on_stdin_is_checked_from_any_folder_and_before_it_is_a_file(
    wflow, project, typed, monkeypatch
):
    monkeypatch.chdir("/")
    typed(CLOCK)
    ran = wflow("check", "--stdin-filename", str(project / "src" / "new.py"))
    assert ran.code == 1
    assert ran.out.startswith("src/new.py:6:9 WF101 ")


def test_a_text_on_stdin_that_is_no_python_is_a_finding(wflow, project, typed):
    typed("def f(:\n")
    ran = wflow("check", "--stdin-filename", "src/worker.py")
    assert ran.code == 1
    assert ran.out.startswith("src/worker.py:1:7 WF000 this is no Python: ")


def test_a_text_on_stdin_has_a_limit(wflow, project, typed):
    typed(b" " * (33 * 1024 * 1024))
    ran = wflow("check", "--stdin-filename", "src/worker.py")
    assert (ran.code, ran.out) == (1, "")
    assert "stdin has more than " in ran.err


@pytest.mark.parametrize("name", list(RULES))
def test_every_rule_is_explained_without_a_project(wflow, name):
    ran = wflow("check", "--explain", name.lower())
    assert ran.code == 0
    assert ran.out.startswith(f"{name}: {RULES[name].title}\n")


def test_a_rule_is_explained_to_a_program(wflow):
    told = json.loads(wflow("check", "--explain", "WF101", "--json").out)
    assert told["rule"] == "WF101"
    assert set(told) == {"rule", "title", "level", "why", "instead", "wrong", "right"}


def test_findings_are_printed_as_sarif(wflow, project):
    spoil(project)
    ran = wflow("check", "--sarif")
    assert (ran.code, ran.err) == (1, "")
    (run,) = json.loads(ran.out)["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == "WF101"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "src/workflow.py"
