"""What docs/testing.md says is so: its examples run, its headings are the code's, its table is whole."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from wflow import testing
from wflow.testing import crashes, deterministic, running
from wflow.testing.introspection import InstanceIntrospector
from wflow.testing.modifiers import Modifiers

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^### `((\w+)\.(\w+)\(.*\))`$", re.MULTILINE)
ROW = re.compile(r"^\| `((\w+)\([^|]*\))` \| (?:`(\w+)` )?\|", re.MULTILINE)
OWNERS = {"wflow": testing.Kit, "clock": testing.Clock, "testing": testing}
INSIDE = {"ask", "begin", "created", "end", "handed", "name_of", "named", "new_id", "until", "workflow_of"}
"""Methods of the fixture's object that are for the rest of the kit."""
LOADED = (crashes, deterministic, running)
"""What is imported stays: pytester lets go of what a run in this process has imported."""


def test_the_examples_are_tests_that_pass(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(test_page="\n".join(FENCE.findall(PAGE)))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=PAGE.count("def test_") - PAGE.count("def test_what_was_begun") - 1)


@pytest.mark.parametrize(("said", "owner", "name"), HEADING.findall(PAGE))
def test_a_heading_is_what_the_code_takes(said: str, owner: str, name: str):
    taken = inspect.signature(getattr(OWNERS[owner], name)).parameters
    if owner == "testing" and name == "crash_everywhere":
        taken = inspect.signature(crashes.Plan).parameters
        assert set(named(said)) == taken.keys() - {"points"}
    else:
        assert list(named(said)) == [each for each in taken if each != "self"]
    for parameter, default in named(said).items():
        if default is not None:
            assert taken[parameter].default == ast.literal_eval(default), parameter


def test_every_method_of_the_fixture_and_of_the_clock_has_a_heading():
    told = {(owner, name) for _, owner, name in HEADING.findall(PAGE)}
    for owner, inside in (
        ("wflow", INSIDE),
        ("clock", {"forget", "move_to", "next_ring", "now_ms", "ring", "ring_at"}),
    ):
        methods = {name for name, each in vars(OWNERS[owner]).items() if inspect.isfunction(each)}
        expected = {(owner, name) for name in methods - inside if not name.startswith("_")}
        assert expected == {each for each in told if each[0] == owner}


def test_the_table_of_modifiers_is_whole_and_says_what_they_take():
    rows = ROW.findall(PAGE)
    methods = {**vars(Modifiers), **vars(InstanceIntrospector)}
    wanted = {name for name, each in methods.items() if inspect.isfunction(each) and not name.startswith("_")}
    assert {name for _, name, _ in rows} == wanted - {"applied", "joined", "end"}
    for said, name, theirs in rows:
        assert list(named(said)) == list(inspect.signature(methods[name]).parameters)[1:]
        if theirs and not theirs.startswith("get"):
            assert re.sub(r"_(\w)", lambda found: found[1].upper(), name) == theirs


def named(said: str) -> dict[str, str | None]:
    """Give the parameters of a call as a heading writes it, with their defaults; UNSET is none to compare."""
    call = re.sub(r"^\w+\.", "", said)
    given = ast.parse(f"def {call}: ...").body[0]
    assert isinstance(given, ast.FunctionDef)
    arguments = given.args
    found: dict[str, str | None] = {each.arg: None for each in arguments.args}
    late = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    found |= {each.arg: shown(value) for each, value in zip(late, arguments.defaults, strict=True)}
    if arguments.vararg is not None:
        found[arguments.vararg.arg] = None
    for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found[each.arg] = None if value is None else shown(value)
    return found


def shown(value: ast.expr) -> str | None:
    return None if isinstance(value, ast.Name) else ast.unparse(value)
