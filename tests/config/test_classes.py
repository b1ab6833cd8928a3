from __future__ import annotations

import pytest

from wflow.config.classes import SOURCE_BYTES_MAX, bound


def names(source: str) -> set[str]:
    found = bound(source.encode())
    assert found is not None
    return found.names


@pytest.mark.parametrize(
    "source",
    [
        "class A: ...",
        "from x import A",
        "from x import b as A",
        "import x as A",
        "import A.b",
        "A = make()",
        "A, b = make()",
        "A: type = make()",
        "if True:\n    class A: ...",
        "try:\n    from x import A\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    A = None",
        "with x:\n    class A: ...",
        "match x:\n    case 1:\n        class A: ...",
    ],
)
def test_a_name_bound_at_the_top_level_is_found(source: str):
    assert "A" in names(source)


@pytest.mark.parametrize(
    "source",
    ["", "def f():\n    class A: ...", "class B:\n    class A: ...", "A.b = 1", "print(A)", "def A(): ..."],
)
def test_a_name_that_is_no_class_there_is_not(source: str):
    assert "A" not in names(source)


@pytest.mark.parametrize("source", ["from x import *", "def __getattr__(name): ..."])
def test_a_source_that_may_bind_anything_says_so(source: str):
    found = bound(source.encode())
    assert found is not None
    assert found.open_ended


def test_classes_are_those_defined_and_those_imported_names_that_look_like_one():
    found = bound(b"import os\nfrom wflow import Base\nfrom x import Remote, helper\nclass Local: ...")
    assert found is not None
    assert found.classes == ["Remote", "Local"]


@pytest.mark.parametrize("source", [b"class", b"\0", b"\xff", b"(" * 5_000, b"#" * (SOURCE_BYTES_MAX + 1)])
def test_what_is_no_python_is_left_to_its_import(source: bytes):
    assert bound(source) is None


def test_warnings_about_the_source_are_not_ours():
    assert bound(b'"\\d"\nclass A: ...') is not None
