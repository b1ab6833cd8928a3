from __future__ import annotations

import io
import sys

import pytest

from wflow.cli import asking


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False)])
def test_a_person_decides_and_silence_is_a_no(monkeypatch, typed, agreed):
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert asking.confirmed("Sure?") is agreed


def test_where_nobody_can_be_asked_it_goes_on_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert asking.confirmed("Sure?")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "Sure? Yes, as there is no terminal to ask on.\n")


def test_a_no_stops_the_command(wflow, logged_in, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    ran = wflow("workflows", "instances", "terminate-all", "shop")
    assert (ran.code, logged_in.asked) == (130, [])
    assert "stopped; nothing was done" in ran.err


OPTIONS = {"pin": "they stay", "push": "they go along", "stop": "nothing happens"}


@pytest.mark.parametrize(
    ("typed", "taken"), [("push\n", "push"), ("s\n", "stop"), ("\n", "pin"), ("p\nnone\nPIN\n", "pin")]
)
def test_a_person_chooses_by_a_word_or_its_beginning_and_silence_is_the_default(monkeypatch, typed, taken):
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    assert asking.chosen("What now?", OPTIONS, default="pin") == taken
    assert "  push: they go along\n" in shown.getvalue()
    assert shown.getvalue().count("Say one of pin, push, stop.") == typed.count("\n") - 1


def test_where_nobody_can_be_asked_the_default_is_taken_and_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert asking.chosen("What now?", OPTIONS, default="pin") == "pin"
    assert capsys.readouterr().err == "What now? pin, as there is no terminal to ask on.\n"


def test_a_person_answers_in_their_words_or_takes_the_default(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    for typed, answer in (("too slow\n", "too slow"), ("\n", "Rollback")):
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        assert asking.answered("Why?", "Rollback") == answer


def test_where_nobody_can_answer_the_default_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert [asking.answered("Why?", default) for default in ("Rollback", "")] == ["Rollback", ""]
    printed = capsys.readouterr().err
    assert printed == (
        "Why? Rollback, as there is no terminal to ask on.\n"
        "Why? (nothing), as there is no terminal to ask on.\n"
    )
