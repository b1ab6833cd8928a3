"""Importing a project. Each test has a process of its own: an import cannot be undone."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LOADS = """
import asyncio, json, sys
from pathlib import Path
from wflow.bundle.manifest import Manifest, WorkflowEntry
from wflow.errors import LoadError
from wflow.runtime import loader

root, main, classes = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
manifest = Manifest(
    name="shop", main=main, python="3.11", wflow="0", compatibility_date=None, kv=(), vars={}, files={},
    workflows=tuple(WorkflowEntry(name=name.lower(), class_name=name, binding=name) for name in classes),
)

async def load():
    running = asyncio.get_running_loop()
    try:
        code = loader.load(root, manifest)
    except LoadError as error:
        at = [error.file, error.line]
        told = {"message": error.message, "hint": error.hint, "trace": error.trace, "at": at}
    else:
        told = {
            "workflows": {name: cls.__module__ for name, cls in code.workflows.items()},
            "worker": code.worker and code.worker.__name__,
            "handlers": code.handlers(),
        }
    assert asyncio.get_running_loop() is running
    print(json.dumps(told))

asyncio.run(load())
"""

FLOW = """
from wflow import WorkflowEntrypoint

class Flow(WorkflowEntrypoint):
    async def run(self, event, ctx):
        pass
"""


def load(folder, files, *classes, main="src/worker.py", cwd=None):
    """Write a project and load it in a fresh process, as a runtime is started."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-P", "-c", LOADS, str(folder), main, *classes],
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


def test_classes_are_found_and_mains_folder_is_the_import_root(tmp_path):
    told = load(
        tmp_path,
        {
            "src/worker.py": """
                from wflow import WorkerEntrypoint
                from flows.orders import Orders
                from workflow import Flow
                import src.workflow  # the project's own folder is importable as well

                class Default(WorkerEntrypoint):
                    async def fetch(self, request): ...
                    async def scheduled(self, event): ...
                """,
            "src/workflow.py": FLOW,
            "src/flows/orders.py": FLOW.replace("Flow(", "Orders("),
        },
        "Flow",
        "Orders",
    )
    assert told == {
        "workflows": {"flow": "workflow", "orders": "flows.orders"},
        "worker": "Default",
        "handlers": ["fetch", "scheduled"],
    }


def test_a_single_worker_need_not_be_called_default_and_none_is_needed(tmp_path):
    text = """
        from wflow import WorkerEntrypoint

        class Shop(WorkerEntrypoint):
            async def fetch(self, request): ...
        """
    assert load(tmp_path, {"src/worker.py": text})["worker"] == "Shop"
    assert load(tmp_path, {"src/worker.py": FLOW}, "Flow") == {
        "workflows": {"flow": "worker"},
        "worker": None,
        "handlers": [],
    }


def test_a_syntax_error_is_told_with_file_and_line(tmp_path):
    told = load(
        tmp_path, {"src/worker.py": "import flow\n", "src/flow.py": "x = 1\ndef broken(:\n    pass\n"}
    )
    assert told["message"] == "src/flow.py:2: SyntaxError: invalid syntax"
    assert told["at"] == ["src/flow.py", 2]
    assert "def broken(:" in told["trace"]
    assert "importlib" not in told["trace"]


def test_an_error_at_import_is_told_with_the_users_frames(tmp_path):
    told = load(tmp_path, {"src/worker.py": "import flow\n", "src/flow.py": "\nLIMIT = int('many')\n"})
    assert told["message"].startswith("src/flow.py:2: ValueError: invalid literal for int()")
    assert told["at"] == ["src/flow.py", 2]
    assert 'worker.py", line 1' in told["trace"]
    assert "loader.py" not in told["trace"]


def test_a_module_that_is_missing_has_a_hint(tmp_path):
    told = load(tmp_path, {"src/worker.py": "import no_such_module.inside\n"})
    assert told["message"] == "src/worker.py:1: ModuleNotFoundError: No module named 'no_such_module'"
    assert told["hint"].startswith("name the package of 'no_such_module' in pyproject.toml")


@pytest.mark.parametrize(
    "code", ["raise SystemExit(3)", "exit()", "import sys; sys.exit('bye')", "raise KeyboardInterrupt"]
)
def test_what_ends_a_program_does_not_end_the_runtime(tmp_path, code):
    told = load(tmp_path, {"src/worker.py": f"\n{code}\n"})
    assert told["at"] == ["src/worker.py", 2]
    assert "SystemExit" in told["message"] or "KeyboardInterrupt" in told["message"]


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        (FLOW, "src/worker.py has no class 'Flwo', which the config names", "did you mean 'Flow'?"),
        (
            "",
            "src/worker.py has no class 'Flwo', which the config names",
            "define it in src/worker.py, or import it there",
        ),
        (
            "class Flwo:\n    async def run(self, event, ctx): ...\n",
            "'Flwo' in src/worker.py is no workflow",
            "class Flwo(",
        ),
        ("Flwo = 5\n", "'Flwo' in src/worker.py is no workflow", "class Flwo(WorkflowEntrypoint)"),
        (
            "from wflow import WorkflowEntrypoint\nclass Flwo(WorkflowEntrypoint): ...\n",
            "'Flwo' in src/worker.py is no workflow",
            "async def run(self, event, ctx)",
        ),
        (
            FLOW.replace("async def", "def").replace("Flow(", "Flwo("),
            "`run` of 'Flwo' in src/worker.py must be `async def`",
            None,
        ),
    ],
)
def test_a_class_that_is_no_workflow_is_told(tmp_path, code, message, hint):
    told = load(tmp_path, {"src/worker.py": code}, "Flwo")
    assert told["message"] == message
    assert told["at"][0] == "src/worker.py"
    assert (hint or "") in (told["hint"] or "")


def test_a_missing_main_is_told(tmp_path):
    assert load(tmp_path, {"src/other.py": ""})["message"] == "there is no src/worker.py"


def test_the_standard_library_is_not_shadowed_by_the_project(tmp_path):
    told = load(
        tmp_path,
        {
            "json.py": "raise ValueError('shadowed')",
            "http/__init__.py": "raise ValueError('shadowed')",
            "src/calendar.py": "raise ValueError('shadowed')",
            "src/worker.py": "import calendar, http.client, sched, smtplib\nassert calendar.monthrange\n"
            + FLOW,
        },
        "Flow",
    )
    assert told["workflows"] == {"flow": "worker"}


def test_a_module_called_like_a_standard_one_has_a_hint(tmp_path):
    told = load(
        tmp_path, {"src/worker.py": "from calendar import send\n", "src/calendar.py": "def send(): ..."}
    )
    assert "cannot import name 'send' from 'calendar'" in told["message"]
    assert told["hint"] == "rename src/calendar.py: a standard module has that name, and goes first"


def test_the_projects_modules_go_before_installed_ones(tmp_path):
    told = load(
        tmp_path,
        {"src/worker.py": "import typer\nassert typer.MINE\n" + FLOW, "src/typer.py": "MINE = True"},
        "Flow",
    )
    assert "workflows" in told


@pytest.mark.parametrize("name", ["json", "types", "code", "wflow", "asyncio", "msgspec"])
def test_a_main_called_like_another_module_is_refused(tmp_path, name):
    told = load(tmp_path, {f"src/{name}.py": FLOW}, "Flow", main=f"src/{name}.py")
    assert told["message"] == f"src/{name}.py has the name of another module, {name!r}"
    assert "rename it" in told["hint"]


@pytest.mark.parametrize("main", ["my-worker.py", "a/b/c/app.py", "worker.v2.py", "main.py"])
def test_main_may_have_any_other_name(tmp_path, main):
    assert "workflows" in load(tmp_path, {main: FLOW}, "Flow", main=main)


def test_asyncio_may_be_run_at_import(tmp_path):
    code = "import asyncio\nassert asyncio.run(asyncio.sleep(0, 1)) == 1\n"
    assert "workflows" in load(tmp_path, {"src/worker.py": code + FLOW}, "Flow")


def test_no_bytecode_is_written_into_the_project(tmp_path):
    load(tmp_path, {"src/worker.py": "import workflow\n", "src/workflow.py": FLOW})
    assert list(tmp_path.rglob("*.pyc")) == []


def test_the_working_directory_is_no_import_root(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "beside.py").write_text("")
    told = load(tmp_path / "project", {"src/worker.py": "import beside\n"}, cwd=tmp_path / "elsewhere")
    assert "No module named 'beside'" in told["message"]


def test_a_class_is_found_again_by_the_journal(tmp_path):
    code = """
        from wflow.errors import StepFailed
        from wflow.runtime.failures import error_of, failure_of
        class Declined(Exception): ...
        assert type(error_of(failure_of(Declined("no")))) is Declined
        """
    assert "workflows" in load(tmp_path, {"src/my_worker.py": code}, main="src/my_worker.py")
