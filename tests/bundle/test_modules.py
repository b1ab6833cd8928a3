from __future__ import annotations

import ast

import pytest

from wflow.bundle import modules
from wflow.bundle.modules import Modules
from wflow.bundle.scopes import Class, Function, Variable

FILES = {
    "src/worker.py": """
import a, pkg.inner
from a import f as g
from pkg import h, Cart, LIMIT
from gone import x
def own(): ...
""",
    "src/a.py": "def f(): ...\nfrom worker import loop\n",
    "src/pkg/__init__.py": "from .inner import h, Cart\nfrom ..pkg.inner import LIMIT\n",
    "src/pkg/inner.py": "from . import sibling\ndef h(): ...\nclass Cart: ...\nLIMIT = 1\n",
    "src/pkg/sibling.py": "from .inner import h\ndef s(): ...\n",
    "a.py": "def f(): ...\n",
}


@pytest.fixture
def files():
    folders = modules.by_folder(FILES)
    found = Modules(main="src")
    for name, text in FILES.items():
        own = frozenset(folders[""] | folders["src"] | folders.get(name.rpartition("/")[0], set()))
        found.files[name] = modules.parse(name, text.encode(), own)
    return found


@pytest.mark.parametrize(
    ("at", "expression", "written"),
    [
        ("src/worker.py", "own", ("src/worker.py", Function)),
        ("src/worker.py", "a.f", ("src/a.py", Function)),
        ("src/worker.py", "g", ("src/a.py", Function)),
        ("src/worker.py", "h", ("src/pkg/inner.py", Function)),
        ("src/worker.py", "Cart", ("src/pkg/inner.py", Class)),
        ("src/worker.py", "LIMIT", ("src/pkg/inner.py", Variable)),
        ("src/worker.py", "pkg.inner.h", ("src/pkg/inner.py", Function)),
        ("src/pkg/inner.py", "sibling.s", ("src/pkg/sibling.py", Function)),
        ("src/pkg/sibling.py", "h", ("src/pkg/inner.py", Function)),
    ],
)
def test_a_name_is_found_where_it_is_written(files, at, expression, written):
    found = files.resolve(files.files[at].scope, ast.parse(expression, mode="eval").body)
    assert found is not None
    assert (found[0].path, type(found[1])) == written


@pytest.mark.parametrize("expression", ["x", "nowhere", "a.nothing", "pkg.gone.h", "a.f.more", "print", "1"])
def test_a_name_that_is_nowhere_is_not_found(files, expression):
    assert files.resolve(files.files["src/worker.py"].scope, ast.parse(expression, mode="eval").body) is None


def test_files_that_import_each_other_for_ever_end():
    files = Modules(main="")
    for name, text in {"a.py": "from b import x\nx", "b.py": "from a import x"}.items():
        files.files[name] = modules.parse(name, text.encode(), frozenset({"a", "b"}))
    assert files.resolve(files.files["a.py"].scope, ast.Name(id="x", ctx=ast.Load())) is None


def test_folders_list_their_modules_and_packages():
    assert modules.by_folder(["a.py", "b/c.py", "b/d/e.py"]) == {
        "": {"a", "b"},
        "b": {"c", "d"},
        "b/d": {"e"},
    }


def test_classes_are_found_in_branches_and_other_classes():
    text = b"if x:\n  class A: ...\nelse:\n  try:\n    class B:\n      class C: ...\n  finally: 1"
    module = modules.parse("a.py", text, frozenset())
    assert list(modules.classes_in(module)) == ["A", "B", "C"]
