"""Importing libraries ahead. Each test has processes of its own: an import cannot be undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wflow.runtime import aliases

ROOT = Path(__file__).parents[2]

LOADS = """
import asyncio, json, sys
from pathlib import Path
from wflow.bundle.manifest import Manifest
from wflow.errors import LoadError
from wflow.runtime import ahead
from wflow.runtime.output import Output

root, libraries = Path(sys.argv[1]), json.loads(sys.argv[2])
manifest = Manifest(
    name="shop", main="src/worker.py", python="3.11", wflow="0", compatibility_date=None, workflows=(), kv=(),
    vars={}, files={},
)
told = {"printed": []}

async def load():
    stdout = sys.stdout
    process = ahead.Ahead()
    output = Output(asyncio.get_running_loop(), lambda line: told["printed"].append([line.level, line.text]))
    if libraries is not None:
        process.warm(libraries, output)
        between()
    before = set(sys.modules)
    try:
        code = process.load(root, manifest, output)
    except ahead.Outdated:
        told["outdated"] = True
    else:
        told["libraries"] = code.libraries
    told["imported"] = sorted(set(sys.modules) - before)
    await asyncio.sleep(0)
    print(json.dumps(told), file=stdout)

def between():
    pass

exec(sys.argv[3])
asyncio.run(load())
"""


PAUSE = """
def between():
    sys.__stdout__.write("warm\\n")
    sys.__stdout__.flush()
    input()
"""


class Project:
    """A project, and a folder of libraries beside it."""

    def __init__(self, folder):
        self.root = folder / "project"
        self.installed = folder / "installed"
        self.write("src/worker.py", "import own, library.part\n")
        self.write("src/own.py", "")
        self.install("library/__init__.py", "import other\n")
        self.install("library/part.py", "print('the library is imported')\n")
        self.install("other.py", "")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def install(self, name, text):
        path = self.installed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, libraries, first):
        """Start a process that imports ``libraries`` ahead, and then the project."""
        return subprocess.Popen(
            [sys.executable, "-P", "-c", LOADS, str(self.root), json.dumps(libraries), first],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.installed)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def load(self, libraries=None, *, first=""):
        """Have one do it; give what it tells."""
        process = self.start(libraries, first)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return json.loads(out)

    def wait(self, libraries):
        """Give one that has imported ``libraries``, and goes on when it is told to."""
        process = self.start(libraries, PAUSE)
        assert process.stdout.readline() == "warm\n"
        return process


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_what_code_imports_of_others_is_named_and_its_own_files_are_not(project):
    libraries = project.load()["libraries"]
    assert {"library", "library.part", "other"} <= set(libraries)
    assert not {"worker", "own"} & set(libraries)


def test_of_what_was_imported_ahead_nothing_is_left_for_the_code_to_import(project):
    first = project.load()
    again = project.load(first["libraries"])
    assert {"library", "library.part", "other", "own", "worker"} <= set(first["imported"])
    assert set(again["imported"]) - aliases.MODULES.keys() == {"own", "worker"}
    assert set(again["libraries"]) == set(first["libraries"]), "the next process has them as well"


def test_a_library_below_the_project_is_one_if_it_is_installed_there(project):
    project.installed = project.root / ".venv" / "lib" / "site-packages"
    project.install("nearby.py", "")
    project.write("src/worker.py", "import nearby\n")
    libraries = project.load()["libraries"]
    assert "nearby" in libraries
    assert "nearby" not in project.load(libraries)["imported"]


def test_a_stand_in_for_a_module_of_cloudflares_is_no_library(project):
    project.install("workers.py", "raise RuntimeError('it needs JavaScript')\n")
    project.write("src/worker.py", "import workers\n")
    first = project.load()
    assert "workers" not in first["libraries"]
    assert "outdated" not in project.load(first["libraries"])


def test_a_standard_module_is_no_other_for_a_file_of_the_project_that_has_its_name(project):
    project.write("src/colorsys.py", "")
    project.write("src/worker.py", "import colorsys\n")
    first = project.load()
    assert "colorsys" in first["libraries"]
    assert "outdated" not in project.load(first["libraries"])


@pytest.mark.parametrize(
    "line",
    [
        "import os; os.environ['LIBRARY_MODE'] = 'quick'",
        "import os; os.environ.pop('HOME')",
        "import sys; sys.path.insert(0, '/elsewhere')",
        "import sys; sys.path.pop()",
    ],
)
def test_where_code_changes_what_a_library_may_look_at_nothing_is_imported_ahead(project, line):
    project.write("src/worker.py", f"import library\n{line}\n")
    assert project.load()["libraries"] == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda on: on.install("other.py", "VERSION = 2\n"), id="it was upgraded"),
        pytest.param(lambda on: (on.installed / "other.py").unlink(), id="it is gone"),
        pytest.param(lambda on: on.write("src/other.py", ""), id="the project has a module of that name"),
        pytest.param(lambda on: on.write("library/__init__.py", ""), id="the project has such a package"),
    ],
)
def test_what_changed_since_it_was_imported_ahead_is_told_before_anything_is_loaded(project, change):
    libraries = project.load()["libraries"]
    waiting = project.wait(libraries)
    change(project)
    out, _ = waiting.communicate("go on\n", timeout=30)
    told = json.loads(out)
    assert told["outdated"]
    assert told["imported"] == []


def test_a_library_that_cannot_be_imported_ahead_is_left_to_the_code(project):
    for name, text in {"raises": "raise RuntimeError('no')", "leaves": "raise SystemExit(1)"}.items():
        project.install(f"{name}.py", f"import sys\nif 'own' not in sys.modules:\n    {text}\n")
    project.write("src/worker.py", "import own, raises, leaves, library\n")
    told = project.load(["raises", "leaves", "nowhere", "library"])
    assert {"raises", "leaves"} <= set(told["imported"])
    assert "library" not in told["imported"]


def test_what_a_library_prints_is_told_once_and_the_stream_that_it_keeps_is_the_right_one(project):
    project.install("kept.py", "import sys\nprint('imported')\nstream = sys.stdout\n")
    project.write("src/worker.py", "import kept\nprint('first', file=kept.stream)\n")
    first = project.load()
    assert first["printed"] == [["info", "imported"], ["info", "first"]]
    assert project.load(first["libraries"])["printed"] == [["info", "first"]]


def test_a_library_may_run_a_loop_of_its_own_when_it_is_imported_ahead(project):
    project.install("loops.py", "import asyncio\nasyncio.run(asyncio.sleep(0))\n")
    project.write("src/worker.py", "import loops\n")
    assert "loops" not in project.load(project.load()["libraries"])["imported"]


def test_only_so_many_are_imported_ahead(project):
    few = "ahead.LIBRARIES = 1\n"
    assert len(project.load(first=few)["libraries"]) == 1
    assert "other" in project.load(["own", "other"], first=few)["imported"]
