from __future__ import annotations

import pytest

from wflow.cli import instance


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(second, ms=0):
    return f"2026-11-22T12:00:{second:02}.{ms:03}Z"


STEP = {
    "name": "charge-1",
    "type": "step",
    "start": at(1),
    "end": at(4, 250),
    "success": True,
    "finished": True,
    "config": {},
    "output": {"paid": True},
    "error": None,
    "attempts": [
        {
            "start": at(1),
            "end": at(2),
            "success": False,
            "error": {"name": "OSError", "message": "no\nroute"},
        },
        {"start": at(4), "end": at(4, 250), "success": True, "error": None},
    ],
    "retry_at": None,
}
SLEEP = {
    "name": "pause-1",
    "type": "sleep",
    "start": at(5),
    "end": at(50),
    "success": None,
    "finished": False,
    "config": {},
    "output": None,
    "error": None,
    "until": at(50),
}
WAIT = {**SLEEP, "name": "paid-1", "type": "waitForEvent", "event_type": "paid"}
UNDONE = {**STEP, "name": "rollback:charge-1", "type": "rollback", "end": at(20), "output": None}
FOUND = {
    "id": "order-1",
    "status": "complete",
    "params": {"amount": 12},
    "trigger": {"source": "api"},
    "versionId": "v7",
    "queued": at(0),
    "start": at(0, 500),
    "end": at(10),
    "success": True,
    "error": None,
    "output": "fine",
    "rollback": None,
    "step_count": 1,
    "steps": [STEP],
}


def shown(capsys, found, outputs=5_000):
    instance.show("shop", found, outputs=outputs)
    return capsys.readouterr().out


def test_an_instance_is_described_with_its_steps_and_their_attempts(capsys):
    assert shown(capsys, FOUND) == (
        "Instance order-1 of shop:\n"
        "  Workflow Name:         shop\n"
        "  Instance Id:           order-1\n"
        "  Version Id:            v7\n"
        "  Status:                complete\n"
        "  Trigger:               api\n"
        '  Params:                {"amount": 12}\n'
        "  Queued:                2026-11-22 12:00:00.000\n"
        "  Success:               Yes\n"
        "  Start:                 2026-11-22 12:00:00.500\n"
        "  End:                   2026-11-22 12:00:10.000\n"
        "  Duration:              9.5 s\n"
        "  Last Successful Step:  charge-1\n"
        '  Output:                "fine"\n'
        "\n"
        "Steps:\n"
        "  1. charge-1\n"
        "     Type:      Step\n"
        "     Start:     2026-11-22 12:00:01.000\n"
        "     End:       2026-11-22 12:00:04.250\n"
        "     Duration:  3.25 s\n"
        "     Success:   Yes\n"
        '     Output:    {"paid": true}\n'
        "     Attempts:\n"
        "       Start                    End                      Duration  State    Error\n"
        "       2026-11-22 12:00:01.000  2026-11-22 12:00:02.000  1 s       Error    OSError: no route\n"
        "       2026-11-22 12:00:04.000  2026-11-22 12:00:04.250  250 ms    Success\n"
    )


def test_outputs_are_cut_where_asked_and_left_out_where_asked(capsys):
    assert '     Output:    {"pai[...output truncated]\n' in shown(capsys, FOUND, outputs=5)
    assert "Output:" not in shown(capsys, FOUND, outputs=None)


def test_an_output_that_the_api_has_cut_is_shown_as_the_json_that_it_is(capsys):
    cut = {**FOUND, "steps": [{**STEP, "output": '{"a": "b[truncated output]'}]}
    assert '     Output:    {"a": "b[...output truncated]\n' in shown(capsys, cut)
    assert '     Output:    {"a[...output truncated]\n' in shown(capsys, cut, outputs=3)


def test_an_error_is_shown_with_its_traceback(capsys):
    error = {"name": "ValueError", "message": "\x1b[2Jbad", "trace": "Traceback:\n  line 3\n"}
    text = shown(capsys, {**FOUND, "status": "errored", "success": False, "error": error, "output": None})
    assert "  Success:               No\n" in text
    assert "  Error:                 ValueError: \\x1b[2Jbad\n" in text
    assert "                         Traceback:\n                           line 3\n" in text


def test_what_goes_on_has_no_end_and_says_until_when_it_sleeps(capsys):
    text = shown(capsys, {**FOUND, "status": "waiting", "success": None, "end": None, "steps": [STEP, SLEEP]})
    facts, steps = text.split("\nSteps:\n")
    assert "  Success:               not yet\n" in facts
    assert "End:" not in facts
    assert "  2. pause-1\n     Type:     Sleep\n" in steps
    assert "     Until:    2026-11-22 12:00:50.000\n     Success:  not yet\n" in steps


def test_a_wait_says_what_for(capsys):
    text = shown(capsys, {**FOUND, "status": "waiting", "success": None, "end": None, "steps": [WAIT]})
    assert "  1. paid-1\n     Type:        Wait for event\n" in text
    assert "     Until:       2026-11-22 12:00:50.000\n     Event Type:  paid\n" in text


def test_a_rollback_is_told_with_its_steps(capsys):
    error = {"name": "ValueError", "message": "no refund"}
    failed = {**FOUND, "status": "errored", "success": False, "steps": [STEP, UNDONE]}
    text = shown(capsys, {**failed, "rollback": {"outcome": "failed", "error": error}})
    assert "  Rollback:              failed: ValueError: no refund\n" in text
    assert "  Last Successful Step:  charge-1\n" in text
    steps = text.partition("  2. rollback:charge-1\n")[2]
    assert steps.startswith("     Type:      Rollback\n")
    assert "Output:" not in steps
    done = shown(capsys, {**failed, "rollback": {"outcome": "complete", "error": None}})
    assert "  Rollback:              complete\n" in done


def test_what_the_code_tells_and_what_was_told_of_it_are_shown(capsys):
    progress = {"done": 1, "total": 4, "message": "half\nway"}
    more = {"tags": ["vip", "eu"], "progress": progress, "state": {"page": 3}, "expires_on": at(30)}
    text = shown(capsys, {**FOUND, **more})
    assert "  Tags:                  vip, eu\n" in text
    assert "  Kept Until:            2026-11-22 12:00:30.000\n" in text
    assert "  Progress:              1 of 4 (25%), half\n                         way\n" in text
    assert '  State:                 {"page": 3}\n' in text
    none = {"done": 0.5, "total": 0, "message": ""}
    assert "  Progress:              0.5 of 0\n" in shown(capsys, {**FOUND, "progress": none})
    nothing = shown(capsys, {**FOUND, "tags": [], "progress": None, "state": None, "expires_on": None})
    assert nothing == shown(capsys, FOUND)


def test_a_step_that_will_be_tried_again_says_when(capsys):
    waiting = {**STEP, "end": None, "success": None, "retry_at": at(30), "attempts": STEP["attempts"][:1]}
    text = shown(capsys, {**FOUND, "success": None, "end": None, "steps": [waiting]})
    assert "     Retries At:  2026-11-22 12:00:30.000\n" in text


def test_an_instance_that_has_not_begun_has_no_steps(capsys):
    text = shown(
        capsys, {**FOUND, "status": "queued", "start": None, "end": None, "success": None, "steps": []}
    )
    assert "  Start:          not yet\n" in text
    assert text.endswith("\nSteps:  none yet\n")


def test_the_number_of_the_version_is_told_where_it_is_known(capsys):
    assert "  Version Id:            v7 (number 3)\n" in shown(capsys, {**FOUND, "version_number": 3})
    assert "  Version Id:            v7\n" in shown(capsys, {**FOUND, "version_number": None})
