from __future__ import annotations

import pytest

from wflow.config.report import WRONG, Report
from wflow.config.tree import Node


def test_problems_are_told_by_line_and_those_without_one_last():
    report = Report("wflow.toml")
    report.wrong_at(("main",), None, "missing")
    report.wrong_at(("b",), 12, "bad")
    report.wrong_at(("a", 0), 7, "bad")
    assert report.error().message == (
        "`wflow.toml` has 3 problems\n"
        "\n"
        "  wflow.toml:7    a[0]: bad\n"
        "  wflow.toml:12   b: bad\n"
        "  wflow.toml      main: missing"
    )


def test_one_problem_is_told_once():
    report = Report("wflow.toml")
    node = Node(place=("a",), line=1, value=1)
    assert not report
    assert report.wrong(node, "bad") is WRONG
    assert report.wrong(node, "bad") is WRONG
    assert report.error().message == "`wflow.toml` has 1 problem\n\n  wflow.toml:1   a: bad"


def test_a_flood_of_problems_is_cut():
    report = Report("wflow.toml")
    for line in range(1, 1_001):
        report.wrong_at((), line, "bad")
    message = report.error().message
    assert len(message.splitlines()) == 53
    assert message.endswith("\n  and 950 more")


def test_only_problems_with_a_line_are_absorbed():
    report, other = Report("wflow.toml"), Report("wflow.toml")
    other.wrong_at(("main",), None, "missing")
    report.absorb(other)
    assert not report
    other.wrong_at(("a",), 1, "bad")
    report.absorb(other)
    assert report.error().message == "`wflow.toml` has 1 problem\n\n  wflow.toml:1   a: bad"


def test_notes_are_no_problems():
    report = Report("wflow.toml")
    report.note(Node(place=("a",), line=4, value=1), "ignored")
    report.note(Node(place=("b",), line=None, value=1), "ignored")
    assert report.notes() == ("wflow.toml:4 a: ignored", "wflow.toml b: ignored")
    assert not report


@pytest.mark.parametrize("name", ["wrangler.toml", "wrangler.jsonc", "any.json"])
def test_a_stray_key_is_a_note_in_wranglers_files(name: str):
    report = Report(name)
    assert not report.stray(Node(place=("a",), line=4, value=1), "unknown key")
    assert report.notes() == (f"{name}:4 a: unknown key; ignored",)
    assert not report


def test_a_stray_key_is_a_problem_in_a_file_of_ours():
    report = Report("wflow.toml")
    assert report.stray(Node(place=("a",), line=4, value=1), "unknown key")
    assert report.error().message.endswith("wflow.toml:4   a: unknown key")
