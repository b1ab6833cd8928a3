from __future__ import annotations

import pytest

from wflow.bundle import requirements
from wflow.errors import BundleError

PYPROJECT = """
[project]
name = "shop"
version = "1"
dependencies = ["httpx>=0.28", "wflow-toolkit", "workers_py", "orjson ; python_version >= '3.11'"]
"""


def written(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.{'toml' if name == 'pyproject' else 'txt'}").write_text(text)
    return folder


def test_a_project_that_says_nothing_needs_nothing(tmp_path):
    assert requirements.find(tmp_path) == ()
    assert requirements.find(written(tmp_path, pyproject="[tool.ruff]\n")) == ()


def test_dependencies_of_a_project_but_for_what_the_runtime_brings(tmp_path):
    found = requirements.find(written(tmp_path, pyproject=PYPROJECT, requirements="numpy"))
    assert found == ("httpx>=0.28", "orjson ; python_version >= '3.11'")


def test_a_file_of_requirements_is_heeded_where_there_are_none(tmp_path):
    text = """
    # what we need
    httpx[http2] >= 0.28   # to ask
    orjson==3.11 \\
        --hash=sha256:aaaa \\
        --hash=sha256:bbbb
    -r more.txt
    lib @ https://example.com/lib-1.0-py3-none-any.whl
    """
    written(tmp_path, pyproject="[project]\nname = 'x'\n", requirements=text, more="attrs\n")
    assert requirements.find(tmp_path) == (
        "attrs",
        "httpx[http2] >= 0.28",
        "lib @ https://example.com/lib-1.0-py3-none-any.whl",
        "orjson==3.11 --hash=sha256:aaaa --hash=sha256:bbbb",
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-e .", "requirements.txt:1: the option '-e' means nothing to a runner"),
        ("--index-url https://x", "the option '--index-url' means nothing"),
        ("./lib", "'./lib' is no requirement"),
        ("lib @ file:///tmp/lib", "lies where a runner cannot get it"),
        ("lib @ git+ssh://host/lib", "lies where a runner cannot get it"),
        ("two words", "'two words' is no requirement"),
        ("lib; os_name ~= '3'", "is no requirement: Undefined"),
        ("-r gone.txt", "gone.txt cannot be read"),
        ("-r requirements.txt", "name each other 8 deep"),
    ],
)
def test_what_cannot_be_installed_elsewhere_is_told_with_its_place(tmp_path, line, said):
    with pytest.raises(BundleError) as refused:
        requirements.find(written(tmp_path, requirements=line))
    assert said in refused.value.message


def test_a_line_break_in_a_requirement_begins_no_other_line():
    with pytest.raises(BundleError, match="is no requirement"):
        requirements.checked("lib @ https://x/lib.whl\n--index-url=https://y", "here")
    assert requirements.checked("lib\n>=1", "here") == "lib >=1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[project\n", "pyproject.toml cannot be read"),
        ("[project]\ndependencies = 'httpx'\n", "must be an array of strings"),
        ("[project]\ndependencies = ['a b']\n", "pyproject.toml: 'a b' is no requirement"),
    ],
)
def test_a_pyproject_that_makes_no_sense_is_told(tmp_path, text, said):
    with pytest.raises(BundleError) as refused:
        requirements.find(written(tmp_path, pyproject=text))
    assert said in refused.value.message


def test_there_is_a_limit_to_them(tmp_path):
    written(tmp_path, requirements="\n".join(f"p{number}" for number in range(501)))
    with pytest.raises(BundleError, match="needs 501 packages; it may name 500"):
        requirements.find(tmp_path)
