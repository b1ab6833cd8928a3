from __future__ import annotations

import io
import json

import pytest

from wflow.cli import output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_in_a_pipe_is_aligned_and_never_cut(capsys):
    output.table(("Name", "Status"), [("a" * 200, "ok"), ("b", "errored")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["Name", "Status"], ["a" * 200, "ok"], ["b", "errored"]]
    assert {line.index(word) for line, word in zip(lines, ("Status", "ok", "errored"), strict=True)} == {202}


def test_a_table_on_a_terminal_fits_its_width_and_loses_nothing(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "dumb")
    output.table(("Name", "Status"), [("[red]" + "a" * 200, "ok")])
    text = terminal.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 100
    assert text.count("a") - "Name Status".count("a") == 200
    assert "[red]" in text


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.paint("error:", "red", Terminal()) == "\x1b[31merror:\x1b[0m"
    assert output.paint("error:", "red", io.StringIO()) == "error:"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.paint("error:", "red", Terminal()) == "error:"


def test_talk_does_not_reach_the_pipe(capsys):
    output.say("talk")
    output.warn("careful")
    output.data("data")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("data\n", "talk\nwarning: careful\n")


def test_json_is_for_programs_and_keeps_every_letter(capsys):
    output.payload({"name": "größe", "n": [1]})
    assert json.loads(capsys.readouterr().out) == {"name": "größe", "n": [1]}
    output.line({"name": "größe", "n": [1]})
    assert capsys.readouterr().out == '{"name":"größe","n":[1]}\n'


def test_labelled_values_stand_below_each_other(capsys):
    output.fields([("Id", "1"), ("Error", "a\nb")], indent=2)
    assert capsys.readouterr().out == "  Id:     1\n  Error:  a\n          b\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [("\x1b[31mred", "\\x1b[31mred"), ("a\tb\nc", "a\tb\nc"), ("a\rb", "a\\x0db"), ("\x9b2J", "\\x9b2J")],
)
def test_control_characters_are_shown_not_obeyed(written, shown):
    assert output.printable(written) == shown
