from __future__ import annotations

import pytest

from wflow.bundle import gitignore
from wflow.errors import BundleError


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("build", "build", True),
        ("build", "a/build/", True),
        ("build/", "build", False),
        ("build/", "a/build/", True),
        ("/build", "a/build/", False),
        ("a/b", "a/b", True),
        ("a/b", "x/a/b", False),
        ("*.log", "a/x.log", True),
        ("*.log\n!keep.log", "a/keep.log", False),
        ("!keep.log\n*.log", "keep.log", True),
        ("**/tmp", "a/b/tmp/", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**", "a/", False),
        ("a/**", "a/b/c", True),
        ("/*\n!/src/", "src/", False),
        ("/*\n!/src/", "docs/", True),
        ("*\n!*/\n!*.py", "a/", False),
        ("*\n!*/\n!*.py", "a/x.py", False),
        ("*\n!*/\n!*.py", "a/x.txt", True),
        ("**\n!keep", "a", True),
        ("**\n!keep", "keep", False),
        ("*/", "a", False),
        ("*/", "a/b/", True),
        ("build\n!/build/", "build/build/", True),
        ("[ab].c", "a.c", True),
        ("[!ab].c", "a.c", False),
        ("\\#x", "#x", True),
        ("# x", "# x", False),
        ("\\!x", "!x", True),
        ("x\\ ", "x ", True),
        ("x  ", "x", True),
        ("x\r\ny\r\n", "y", True),
        ("\ufeffx", "x", True),
        ("/", "a", False),
        ("!", "a", False),
        ("", "a", False),
    ],
)
def test_a_rule_means_what_git_says(tmp_path, rules, path, expected):
    (tmp_path / ".gitignore").write_bytes(rules.encode())
    assert gitignore.ignored(path, (gitignore.read(tmp_path / ".gitignore", ""),)) is expected


def test_the_nearest_file_that_says_anything_decides(tmp_path):
    (tmp_path / "outer").write_text("*.log\n*.tmp\n")
    (tmp_path / "inner").write_text("!x.log\n")
    files = (gitignore.read(tmp_path / "inner", "a/"), gitignore.read(tmp_path / "outer", ""))
    assert not gitignore.ignored("a/x.log", files)
    assert gitignore.ignored("a/x.tmp", files)


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path):
    with pytest.raises(BundleError, match="missing cannot be read"):
        gitignore.read(tmp_path / "missing", "")


def test_a_folder_outside_of_any_repository_is_a_top_of_its_own(tmp_path):
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "shop").mkdir()
    assert gitignore.around(tmp_path / "shop") == ("", ())


def test_the_files_on_the_way_from_the_top_of_the_repository_count(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("/apps/shop/data\n*.key\n")
    (tmp_path / "apps" / "shop").mkdir(parents=True)
    (tmp_path / "apps" / ".gitignore").write_text("!public.key\n")
    way, files = gitignore.around(tmp_path / "apps" / "shop")
    assert way == "apps/shop/"
    assert gitignore.ignored("apps/shop/data", files)
    assert gitignore.ignored("apps/shop/my.key", files)
    assert not gitignore.ignored("apps/shop/public.key", files)


def test_a_folder_that_its_repository_ignores_is_a_top_of_its_own(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("/demo/\n*.py\n")
    (tmp_path / "demo" / "shop").mkdir(parents=True)
    assert gitignore.around(tmp_path / "demo" / "shop") == ("", ())
