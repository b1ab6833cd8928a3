from __future__ import annotations

import pytest

from wflow.cli import happening

AT = 1_763_812_991_123


def shown(capsys, type_, **more):
    happening.show({"eventId": 1, "instanceId": "a", "timestamp": AT, "type": type_, **more})
    date, clock, rest = capsys.readouterr().out.split(" ", 2)
    assert (len(date), len(clock)) == (len("2025-11-22"), len("12:03:11.123"))
    return rest


@pytest.mark.parametrize(
    ("type_", "more", "text"),
    [
        ("workflow_queued", {}, "workflow_queued\n"),
        ("workflow_started", {"params": {"n": 1}}, 'workflow_started           {"n": 1}\n'),
        ("workflow_started", {"params": None}, "workflow_started\n"),
        ("step_started", {"stepName": "charge-1", "config": {}}, "step_started               charge-1\n"),
        (
            "attempt_errored",
            {
                "stepName": "charge-1",
                "attempt": 2,
                "error": {"name": "ValueError", "message": "no"},
                "retryDelayMs": 10_000,
            },
            "attempt_errored            charge-1  attempt 2, ValueError: no, the next one in 10 s\n",
        ),
        (
            "step_completed",
            {"stepName": "charge-1", "output": "x" * 600},
            f'step_completed             charge-1  "{"x" * 499}[...output truncated]\n',
        ),
        (
            "sleep_started",
            {"stepName": "nap-1", "durationMs": 90_000},
            "sleep_started              nap-1  for 1 min 30 s\n",
        ),
        (
            "wait_started",
            {"stepName": "pay-1", "eventType": "paid"},
            "wait_started               pay-1  for an event of type 'paid'\n",
        ),
        ("rollback_attempt_completed", {"stepName": "a-1"}, "rollback_attempt_completed a-1\n"),
        ("workflow_errored", {"error": {"name": "Stop", "message": ""}}, "workflow_errored           Stop\n"),
    ],
)
def test_an_event_is_one_line(capsys, type_, more, text):
    assert shown(capsys, type_, **more) == text


def test_what_user_code_wrote_does_not_steer_the_terminal(capsys):
    assert "\x1b" not in shown(capsys, "step_started", stepName="\x1b[2J-1")
