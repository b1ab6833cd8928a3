from __future__ import annotations

import pytest

from wflow.bundle import prebuild
from wflow.config.model import Build
from wflow.errors import UsageError


def test_a_project_without_a_build_runs_nothing(project):
    told: list[str] = []
    prebuild.run(project(), "deploy", told.append)
    assert told == []


def test_a_build_runs_in_its_folder_knows_what_for_and_its_lines_are_told(project):
    made = project(build=Build(command="echo $WRANGLER_COMMAND >&2; basename $PWD", cwd="src"))
    (made.root / "src").mkdir(exist_ok=True)
    told: list[str] = []
    prebuild.run(made, "versions upload", told.append)
    assert told[0].startswith("[custom build] Running: echo")
    assert sorted(told[1:]) == ["[custom build] src", "[custom build] versions upload"]


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (Build(command="exit 3"), "`exit 3` ended with exit code 3"),
        (Build(command="true", cwd="no-such-folder"), "cannot run the custom build in"),
        (Build(command="rm -f src/worker.py"), "there is still no `src/worker.py`"),
    ],
)
def test_a_build_that_fails_is_told(project, build, told):
    with pytest.raises(UsageError, match=told):
        prebuild.run(project(build=build), "deploy", lambda _line: None)
