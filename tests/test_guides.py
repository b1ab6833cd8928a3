"""What the pages in docs/ say is so: methods with their parameters, errors, limits, links."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wflow
from wflow import errors
from wflow.runtime.context import Context
from wflow.runtime.settings import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
AUTHORING = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")

HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
METHOD = re.compile(r"^### `(ctx\.(\w+)\(.*\))`$", re.MULTILINE)
NAME = re.compile(r"`([A-Za-z_.]+)`")
NUMBER = re.compile(r"\d[\d,]*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_method_of_the_context_has_a_section_and_every_section_a_method():
    told = {found[1] for found in METHOD.findall(AUTHORING)}
    assert told == {name for name in vars(Context) if not name.startswith("_")}


@pytest.mark.parametrize("said", [found[0] for found in METHOD.findall(AUTHORING) if found[1] != "do"])
def test_a_method_takes_what_its_heading_says(said: str):
    call = ast.parse(f"def {said.removeprefix('ctx.')}: ...").body[0]
    assert isinstance(call, ast.FunctionDef)
    taken = list(inspect.signature(getattr(Context, call.name)).parameters.values())[1:]
    assert list(names_of(call.args)) == [each.name for each in taken]
    told = dict(defaults_of(call.args))
    for each in taken:
        default = {} if call.name == "call" and each.name == "params" else each.default
        assert told.get(each.name, inspect.Parameter.empty) == default, each.name


def test_every_option_of_a_step_is_told():
    section = AUTHORING.split("### `ctx.do(name, function", 1)[1].split("### ", 1)[0]
    told = [row[0].strip("`") for row in rows(section, "option")]
    assert told == list(Options.__annotations__)


def test_every_error_that_is_named_can_be_caught_by_that_name():
    named = [name for row in rows(AUTHORING, "error") for name in NAME.findall(row[0])]
    assert len(named) > 30
    for name in named:
        found = getattr(wflow, name, None) or getattr(builtins, name)
        assert issubclass(found, Exception), name


def test_every_limit_is_the_codes():
    told = rows(AUTHORING, "what")
    assert len(told) > 15
    for _, limit, where in told:
        numbers = [int(found.replace(",", "")) for found in NUMBER.findall(limit)]
        for path in NAME.findall(where):
            module, _, constant = path.rpartition(".")
            assert getattr(importlib.import_module(module), constant) in numbers, path


def test_every_error_of_the_users_world_is_somewhere():
    theirs = {name for name, each in vars(errors).items() if is_theirs(each)}
    assert theirs <= set(NAME.findall(AUTHORING)) | {"WorkflowInternalError", "NonDeterminismError"}


def test_the_readme_leads_to_every_page():
    guides = README.partition("\n## Guides\n")[2].partition("\n## ")[0]
    assert set(LINK.findall(guides)) == {f"docs/{page.name}" for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        text = (page.parent / file if file else page).read_text(encoding="utf-8")
        assert not anchor or anchor in {slug(title) for _, title in HEADING.findall(text)}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_on_a_page_is_python(page: Path):
    for code in FENCE.findall(page.read_text(encoding="utf-8")):
        compile(code, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def is_theirs(each: Any) -> bool:
    if not isinstance(each, type) or not issubclass(each, Exception):
        return False
    return not issubclass(each, errors.WflowError) and each.__module__ == errors.__name__


def rows(text: str, first: str) -> list[list[str]]:
    """Give the rows of all tables whose first column is called ``first``."""
    found: list[list[str]] = []
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        if lines and lines[0].startswith(f"| {first} |"):
            found += [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    return found


def names_of(given: ast.arguments) -> Iterator[str]:
    yield from (each.arg for each in given.args)
    if given.vararg is not None:
        yield given.vararg.arg
    yield from (each.arg for each in given.kwonlyargs)
    if given.kwarg is not None:
        yield given.kwarg.arg


def defaults_of(given: ast.arguments) -> Iterator[tuple[str, object]]:
    late = given.args[len(given.args) - len(given.defaults) :]
    for each, default in zip(late, given.defaults, strict=True):
        yield each.arg, ast.literal_eval(default)
    for each, maybe in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if maybe is not None:
            yield each.arg, ast.literal_eval(maybe)


def slug(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
