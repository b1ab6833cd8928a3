from __future__ import annotations

from datetime import datetime

from wflow.cli import line

LINE = {
    "cursor": 7,
    "at": round(datetime(2025, 11, 22, 12, 3, 11, 123_000).astimezone().timestamp() * 1000),
    "level": "info",
    "source": "workflow",
    "workflow": "my-workflow",
    "instance": "order-1",
    "step": "fetchData-1",
    "message": "fetched",
    "data": {"items": 3},
    "kind": "logged",
}


def shown(capsys, **changes):
    line.show({**LINE, **changes})
    return capsys.readouterr().out


def test_a_line_says_when_how_bad_where_and_what(capsys):
    assert (
        shown(capsys)
        == '2025-11-22 12:03:11.123 INFO  my-workflow order-1 fetchData-1  fetched {"items": 3}\n'
    )


def test_what_a_line_has_not_leaves_no_gap(capsys):
    assert shown(capsys, step="", data={}) == "2025-11-22 12:03:11.123 INFO  my-workflow order-1  fetched\n"
    bare = shown(capsys, workflow=None, instance=None, step="", data={}, level="error")
    assert bare == "2025-11-22 12:03:11.123 ERROR fetched\n"


def test_our_own_lines_say_how_long_it_took_and_repeat_nothing(capsys):
    settled = shown(
        capsys, kind="settled", source="step", message="done", data={"duration_ms": 37, "attempts": 1}
    )
    assert settled.endswith(" fetchData-1  done (37 ms)\n")
    request = {"workflow": None, "instance": None, "step": "", "source": "request"}
    assert shown(capsys, **request, message="GET / 200 (1ms)", data={"path": "/"}).endswith(
        " INFO  GET / 200 (1ms)\n"
    )


def test_a_traceback_stands_below_its_line(capsys):
    text = shown(capsys, data={"error": "ValueError", "trace": "Traceback:\n  line 3\nValueError\n"})
    assert text.splitlines()[1:] == ["    Traceback:", "      line 3", "    ValueError"]


def test_a_line_cannot_steer_the_terminal(capsys):
    assert "\x1b" not in shown(capsys, message="\x1b[2J", data={"trace": "\x1b[2J"})
