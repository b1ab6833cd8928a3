"""Steps, failures, instants and values as plain values."""

from __future__ import annotations

import msgspec
import pytest

from wflow.engine import values
from wflow.engine.facts import Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import NOT_YET, Err, Failure, Ok, RolledBack
from wflow.engine.timeline import timeline
from wflow.wire import shown

BOOM = Failure(name="ValueError", message="boom", trace="Traceback: boom")


def steps(*journal):
    return [shown.step(one) for one in timeline(journal)]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_348_800_007, "2026-11-22T12:00:00.007Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (2**62, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_shown_in_utc_and_to_the_millisecond(at, told):
    assert shown.moment(at) == told


def test_a_sleep_that_goes_on_has_the_end_that_is_planned():
    nap = Opened("nap-1", "sleep", 1_000, detail={"duration": 500})
    (goes_on,) = steps(nap)
    assert (goes_on["type"], goes_on["finished"], goes_on["error"]) == ("sleep", False, None)
    assert goes_on["end"] == goes_on["until"] == "1970-01-01T00:00:01.500Z"
    (over,) = steps(nap, Settled("nap-1", "sleep", 1_700, Ok(), b"", 1_000))
    assert (over["finished"], over["end"]) == (True, "1970-01-01T00:00:01.700Z")


def test_a_wait_says_what_for():
    (wait,) = steps(Opened("paid-1", "waitForEvent", 0, detail={"type": "paid", "timeout": 2_000}))
    assert (wait["type"], wait["event_type"], wait["output"]) == ("waitForEvent", "paid", None)
    assert (wait["finished"], wait["end"]) == (False, "1970-01-01T00:00:02.000Z")
    assert "attempts" not in wait


def test_a_step_that_goes_on_has_no_end():
    (step,) = steps(Opened("a-1", "do", 1), Failed("a-1", 1, 1, 2, BOOM, 9))
    assert (step["type"], step["end"], step["success"]) == ("step", None, None)
    assert step["retry_at"] == "1970-01-01T00:00:00.009Z"
    assert step["attempts"] == [
        {
            "start": "1970-01-01T00:00:00.001Z",
            "end": "1970-01-01T00:00:00.002Z",
            "success": False,
            "error": {"name": "ValueError", "message": "boom"},
        }
    ]


def test_a_policy_is_shown_whole_whatever_part_of_it_was_given():
    detail = {"retries": {"limit": 1, "delay": "[dynamic]", "backoff": "linear"}, "timeout": 5}
    default = {"retries": {"limit": 5, "delay": 10_000, "backoff": "exponential"}, "timeout": 600_000}
    assert steps(Opened("a-1", "do", 1))[0]["config"] == default
    assert steps(Opened("a-1", "do", 1, detail=detail))[0]["config"] == detail
    sensitive = steps(Opened("a-1", "do", 1, detail={"sensitive": "output"}))
    assert sensitive[0]["config"] == {**default, "sensitive": "output"}


def test_a_rollback_is_a_step_of_its_own_kind_with_attempts():
    (undone,) = steps(Settled("rollback:a-1", "rollback", 2, Ok(), b"", 1, 1, 1))
    assert (undone["name"], undone["type"], undone["success"]) == ("rollback:a-1", "rollback", True)
    assert len(undone["attempts"]) == 1
    assert undone["config"]["retries"]["limit"] == 5


def test_a_poll_is_a_step_whose_checks_are_its_attempts():
    detail: dict[str, object] = {"every": 5, "timeout": 60}
    (poll,) = steps(
        Opened("ready-1", "poll", 1, detail=detail),
        Failed("ready-1", 1, 1, 2, NOT_YET),
        Tried("ready-1", 2, 7),
    )
    assert (poll["type"], poll["success"], poll["config"]["every"]) == ("step", None, 5)
    assert poll["config"]["retries"]["limit"] == 5
    assert [(each["success"], each["error"]) for each in poll["attempts"]] == [(True, None), (None, None)]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_sensitive_output_is_redacted(at_once):
    detail: dict[str, object] = {"sensitive": "output"}
    opened = [] if at_once else [Opened("a-1", "do", 1, detail=detail), Tried("a-1", 1, 1)]
    settled = Settled(
        "a-1", "do", 2, Ok(values.encode("s3cret")), b"", 1, 1, 1, detail=detail if at_once else {}
    )
    assert steps(*opened, settled)[0]["output"] == "[REDACTED]"
    (failed,) = steps(*opened, Settled("a-1", "do", 2, Err(BOOM), b"", 1, 1, 1))
    assert (failed["output"], failed["error"]) == (None, {"name": "ValueError", "message": "boom"})


def test_a_failure_has_its_traceback_where_it_is_the_whole_story():
    assert shown.failure(BOOM) == {"name": "ValueError", "message": "boom"}
    assert shown.kept_failure(msgspec.msgpack.encode(BOOM), traced=True) == {
        "name": "ValueError",
        "message": "boom",
        "trace": "Traceback: boom",
    }
    assert shown.failure(Failure("A", "b"), traced=True) == {"name": "A", "message": "b"}
    assert shown.kept_failure(None) is None


def test_a_rollback_of_an_instance_has_an_outcome():
    assert shown.rollback(None) is None
    assert shown.rollback(msgspec.msgpack.encode(RolledBack())) == {"outcome": "complete", "error": None}
    assert shown.rollback(msgspec.msgpack.encode(RolledBack(BOOM))) == {
        "outcome": "failed",
        "error": {"name": "ValueError", "message": "boom"},
    }


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (None, (None, None)),
        (values.encode({"progress": 0.5}), (0.5, None)),
        (values.encode({"state": {"page": b"x"}, "more": 1}), (None, {"page": "eA=="})),
        (values.encode(7), (None, None)),
    ],
)
def test_what_the_code_tells_is_progress_and_state(told, seen):
    assert shown.told(told) == {"progress": seen[0], "state": seen[1]}


def test_values_are_trimmed_to_the_start_of_their_json():
    large = values.encode(["x" * 1_000])
    settled, taken = shown.trimmed(Settled("a-1", "do", 2, Ok(large)), 100)
    (step,) = steps(settled)
    assert str(step["output"]).startswith('["xxx')
    assert str(step["output"]).endswith(shown.CUT)
    assert 100 < taken < 150
    received, taken = shown.trimmed(Received(1, "paid", large, 0, 0), -1)
    assert isinstance(received, Received)
    assert values.decode(received.payload) == shown.CUT
    assert taken < 30


def test_what_is_small_or_no_value_is_not_trimmed():
    small = Settled("a-1", "do", 2, Ok(values.encode(1)))
    for fact in (small, Moved("running", 1), Logged("info", "x" * 1_000, 1), Opened("a-1", "do", 1)):
        assert shown.trimmed(fact, 0)[0] == fact


def test_tracebacks_are_left_out_of_what_is_trimmed():
    fact, taken = shown.trimmed(Failed("a-1", 1, 1, 2, BOOM), 1_000)
    assert isinstance(fact, Failed)
    assert (fact.failure, taken) == (Failure("ValueError", "boom"), 0)
