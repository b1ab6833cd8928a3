from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

LOGS = "/accounts/local/logs"


def line(cursor, **changes):
    return {
        "cursor": cursor,
        "at": 1_763_812_991_123,
        "level": "info",
        "source": "workflow",
        "workflow": "shop",
        "instance": "order-1",
        "step": "",
        "message": f"line {cursor}",
        "data": {},
        "kind": "logged",
        **changes,
    }


def test_stored_lines_are_json_in_a_pipe(wflow, logged_in):
    logged_in.gives("GET", LOGS, [line(1), line(2)], {"cursor": 2, "count": 2, "more": False})
    ran = wflow("logs")
    assert (ran.code, ran.err) == (0, "")
    assert [json.loads(text) for text in ran.out.splitlines()] == [line(1), line(2)]
    assert logged_in.asked[-1].query == {"level": "info", "limit": "100"}


def test_stored_lines_can_be_read_by_a_person(wflow, logged_in):
    logged_in.gives("GET", LOGS, [line(1)], {"cursor": 1, "count": 1, "more": False})
    assert wflow("logs", "--format", "pretty").out.endswith(" INFO  shop order-1  line 1\n")


def test_filters_reach_the_runner(wflow, logged_in):
    logged_in.gives("GET", LOGS, [], {"cursor": 0, "count": 0, "more": False})
    filters = {
        "workflow": "shop",
        "instance": "order-1",
        "step": "charge",
        "level": "warn",
        "search": "no route",
    }
    wflow("logs", *(part for name, text in filters.items() for part in (f"--{name}", text)), "--limit", "7")
    assert logged_in.asked[-1].query == {**filters, "limit": "7"}


def test_since_a_moment_all_lines_are_read_page_by_page(wflow, logged_in):
    logged_in.gives("GET", LOGS, [line(1)], {"cursor": 1, "count": 1, "more": True})
    ran = wflow("logs", "--since", "2026-11-22T10:00:00Z", "--limit", "3")
    assert len(ran.out.splitlines()) == 3
    assert [
        (asked.query.get("since"), asked.query.get("cursor"), asked.query["limit"])
        for asked in logged_in.asked
    ] == [
        ("2026-11-22T10:00:00+00:00", None, "3"),
        (None, "1", "2"),
        (None, "1", "1"),
    ]


def test_more_of_the_last_lines_than_one_page_is_refused(wflow, logged_in):
    ran = wflow("logs", "--limit", "1001")
    assert (ran.code, logged_in.asked) == (1, [])
    assert "`--since`" in ran.err


def test_what_is_no_time_is_refused_before_anything_is_asked(wflow, logged_in):
    ran = wflow("logs", "--since", "yesterday")
    assert (ran.code, logged_in.asked) == (1, [])
    assert "`yesterday` is no time" in ran.err


def test_a_tail_goes_on_where_it_was_cut_off_until_ctrl_c_and_that_is_no_failure(logged_in):
    body = f"{json.dumps({'cursor': 1})}\n{json.dumps(line(2))}\n"
    logged_in.answers["GET", LOGS] = (200, body.encode())
    with subprocess.Popen(
        [sys.executable, "-m", "wflow", "logs", "--tail", "--format", "pretty"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline().endswith("line 2\n")
        assert tail.stdout.readline().endswith("line 2\n")
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=20)
    assert tail.returncode == 0
    assert "Waiting for logs" in err
    assert "trying again in 0.1 s" in err
    assert [asked.query.get("cursor") for asked in logged_in.asked[:2]] == [None, "2"]
