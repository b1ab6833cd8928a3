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
