from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.bundle import limits, paths
from wflow.errors import BundleError


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a.py",
        "src/worker.py",
        "a b/c",
        ".hidden",
        "...",
        "é/日本.txt",
        "ab:c",
        "a" * 255,
        "x/" * 32 + "y",
    ],
)
def test_a_plain_relative_path_is_fine(path):
    paths.check(path)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("//host/share", "absolute"),
        ("C:/x", "absolute"),
        ("c:x", "absolute"),
        ("../x", "climbs"),
        ("a/../../x", "climbs"),
        ("..", "climbs"),
        ("a/..", "climbs"),
        ("./a", "empty or `.`"),
        ("a/./b", "empty or `.`"),
        ("a//b", "empty or `.`"),
        ("a/", "empty or `.`"),
        ("a\\b", "backslash"),
        ("..\\x", "backslash"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x7f", "control"),
        ("a\x85", "control"),
        ("a\udcff", "UTF-8"),
        ("e\u0301", "NFC"),
        ("a" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
        ("/".join(["a" * 100] * 6), "512 bytes"),
        ("x/" * 33 + "y", "32 folders"),
    ],
)
def test_a_path_that_could_mean_another_file_is_refused_with_the_reason(path, why):
    with pytest.raises(BundleError) as refused:
        paths.check(path)
    assert why in refused.value.message
    assert refused.value.hint is not None


@pytest.mark.parametrize(
    "twins",
    [
        ["a.py", "A.py"],
        ["a.py", "a.py"],
        ["src/a", "Src/b"],
        ["straße", "STRASSE"],
        ["a", "a/b"],
        ["A/b", "a"],
        ["x/É", "x/é"],
    ],
)
def test_two_names_that_some_system_takes_for_one_are_refused(twins):
    for order in (twins, twins[::-1]):
        with pytest.raises(BundleError) as refused:
            paths.check_all(order)
        assert "ignore case" in refused.value.message


def test_names_that_only_look_alike_are_fine():
    paths.check_all(["a/b", "a/c", "b/a", "ab", "a-b", "a/d/e", "A-/b", "é", "e"])


def test_what_a_terminal_would_act_upon_is_shown_escaped():
    assert paths.shown("a\x1b[31mb") == r"'a\x1b[31mb'"
    assert paths.shown("é") == "'é'"
    assert len(paths.shown("x" * 10_000)) == 120


@given(st.text(max_size=80))
def test_any_text_is_fine_or_refused_and_what_is_fine_stays_inside(text):
    try:
        paths.check(text)
    except BundleError:
        return
    assert unicodedata.normalize("NFC", text) == text
    assert not text.startswith("/")
    assert not {"", ".", ".."} & set(text.split("/"))
    assert len(text.encode()) <= limits.NAME_BYTES
