"""The shape of the code: who imports whom, how long a thing is, where its test lies, what start-up loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wflow"
TESTS = ROOT / "tests"

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# What may be longer, with the reason: `"wflow/room/file.py"`, or `"wflow/room/file.py:Class.function"`.
EXCUSED: dict[str, str] = {}

# Rooms of tests that mirror no room of the package: whole stories with real processes, and benchmarks.
FREE_ROOMS = {"stories", "bench", "simulation", "storms"}

HEAVY = {"httpx", "sqlite3", "watchfiles", "asyncio", "tomlkit", "starlette", "uvicorn"}


def test_every_import_points_down_and_the_engine_stays_pure():
    found = run(
        "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_test_file_bears_the_name_of_what_it_tests():
    strays = [str(file.relative_to(ROOT)) for file in TESTS.glob("*/**/test_*.py") if is_stray(file)]
    assert not strays, "no source of that name in the room; a story with real processes goes to tests/stories"


def test_a_story_lies_with_the_stories_and_says_so():
    names = {file.relative_to(TESTS) for file in TESTS.rglob("test_*.py")}
    by_name = {name for name in names if name.name.startswith("test_story_")}
    by_room = {name for name in names if name.parts[0] == "stories"}
    assert by_name == by_room


def test_no_file_and_no_function_is_longer_than_one_idea():
    long = {name: lines for file in sources() for name, lines in too_long(file)}
    assert {name: lines for name, lines in long.items() if name not in EXCUSED} == {}


def test_every_excuse_is_still_needed_and_has_a_reason():
    long = {name for file in sources() for name, _ in too_long(file)}
    assert [name for name, reason in EXCUSED.items() if name not in long or not reason] == []


def test_naming_the_commands_loads_nothing_heavy():
    found = run("-c", "import sys, wflow.cli.app; print(*sys.modules)")
    assert found.returncode == 0, found.stderr
    assert HEAVY & set(found.stdout.split()) == set()


def test_everything_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["testing"]]
    declared = {re.split(r"[^\w-]", needed)[0].replace("-", "_") for needed in wanted}
    # Type checkers know typing_extensions without its being installed; who asks for FastAPI's things has it.
    allowed = declared | sys.stdlib_module_names | {"wflow", "typing_extensions", "fastapi"}
    strangers = {str(file.relative_to(ROOT)): imported(file) - allowed for file in sources()}
    assert {file: names for file, names in strangers.items() if names} == {}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in the root of the checkout."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Name the top-level packages that one file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names}


def is_stray(test: Path) -> bool:
    room = test.relative_to(TESTS).parts[0]
    if room in FREE_ROOMS:
        return False
    name = test.stem.removeprefix("test_")
    return not any(
        found.is_dir() or found.suffix == ".py"
        for found in (PACKAGE / room).rglob(f"{name}*")
        if found.stem == name
    )


def too_long(file: Path) -> list[tuple[str, int]]:
    """Name what is over the limits in one file, with its lines."""
    text = file.read_text(encoding="utf-8")
    name = file.relative_to(ROOT).as_posix()
    lines = len(text.splitlines())
    found = [(name, lines)] if lines > LONGEST_FILE else []
    found += [
        (f"{name}:{function}", size)
        for function, size in functions(ast.parse(text))
        if size > LONGEST_FUNCTION
    ]
    return found


def functions(tree: ast.AST, outer: str = "") -> list[tuple[str, int]]:
    """Name every function below ``tree`` by its path, with its lines from `def` to the last."""
    found = []
    for node in ast.iter_child_nodes(tree):
        name = outer
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{outer}.{node.name}".lstrip(".")
            if not isinstance(node, ast.ClassDef):
                found.append((name, (node.end_lineno or node.lineno) - node.lineno + 1))
        found += functions(node, name)
    return found
