"""Records as lines."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from wflow.engine import facts, requests
from wflow.engine.facts import Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import NOT_YET, Err, Failure, Ok
from wflow.server.lines import LEVELS, Line, Sieve, line_of, span
from wflow.stores.store import Record

BOOM = Failure(name="ValueError", message="boom", trace="Traceback: boom")


def record(fact, *, seq=2, instance=7, workflow="orders", id_="a"):
    return Record(40, instance, seq, facts.tag(fact), fact.at, facts.encode(fact), workflow, id_)


def line(fact, **more):
    found = line_of(record(fact, **more))
    assert found is not None
    return found


def told(fact, **more):
    found = line(fact, **more)
    return found.level, found.step, found.message, found.data


def test_a_log_line_says_what_was_logged():
    fact = Logged(
        "warn",
        "slow",
        9,
        {"ms": 5, "at": datetime(2026, 11, 22, tzinfo=UTC), "raw": b"\x00"},
        "charge-1",
        "step",
    )
    assert line(fact) == Line(
        cursor=40,
        at=9,
        level="warn",
        source="step",
        workflow="orders",
        instance="a",
        step="charge-1",
        message="slow",
        data={"ms": 5, "at": "2026-11-22T00:00:00Z", "raw": "AA=="},
        kind="logged",
    )


@pytest.mark.parametrize(
    ("level", "shown"),
    [("log", "info"), ("WARNING", "warn"), ("critical", "error"), ("debug", "debug"), ("loud", "info")],
)
def test_a_level_is_one_of_four(level, shown):
    assert line(Logged(level, "x", 1)).level == shown


def test_a_print_made_inside_an_instance_is_of_that_instance():
    detail = {"workflow": "orders", "instance": "a", "n": 1}
    found = line(
        Logged("info", "printed", 1, detail, "charge-1", "step"), instance=None, workflow=None, id_=None
    )
    assert (found.workflow, found.instance, found.step, found.data) == ("orders", "a", "charge-1", {"n": 1})


def test_an_instances_own_line_keeps_all_its_values():
    assert line(Logged("info", "x", 1, {"instance": "mine"})).data == {"instance": "mine"}


@pytest.mark.parametrize(
    ("fact", "seq", "expected"),
    [
        (Moved("running", 1), 1, ("info", "started")),
        (Moved("running", 1), 5, ("debug", "goes on")),
        (Moved("waiting", 1), 2, ("info", "waiting")),
        (Moved("complete", 1), 2, ("info", "complete")),
        (Moved("terminated", 1), 2, ("info", "terminated")),
        (Moved("paused", 1), 2, ("info", "paused")),
        (Moved("errored", 1, failure=BOOM), 2, ("error", "errored: ValueError: boom")),
        (Moved("paused", 1, failure=BOOM), 2, ("error", "paused: ValueError: boom")),
        (Moved("rollingBack", 1, failure=BOOM), 2, ("error", "rolling back: ValueError: boom")),
        (Moved("queued", 1), 2, ("info", "queued")),
        (Moved("queued", 1, detail={"restart": True}), 1, ("info", "restarted")),
        (Moved("queued", 1, detail={"restart": True, "from": "nap-2"}), 5, ("info", "restarted from nap-2")),
        (Moved("running", 1, detail={"version": "v2", "from": "v1"}), 1, ("info", "moved to version v2")),
        (Moved("queued", 1, detail={"version": "dev", "from": "dev"}), 5, ("info", "goes on after a fix")),
        (Moved("somewhere", 1), 2, ("info", "somewhere")),
    ],
)
def test_a_move_is_told_in_a_word(fact, seq, expected):
    found = line(fact, seq=seq)
    assert (found.level, found.message) == expected
    assert (found.source, found.kind, found.step) == ("workflow", "moved", "")


def test_a_failure_brings_its_traceback_along():
    assert line(Moved("errored", 1, failure=BOOM)).data == {"error": "ValueError", "trace": "Traceback: boom"}
    assert line(Moved("errored", 1, failure=Failure("X", ""))).message == "errored: X"


def test_a_step_that_is_done_tells_how_long_it_took_and_how_often_it_was_tried():
    fact = Settled("charge-1", "do", 1_500, Ok(), b"", 1_000, 2, 1_400)
    assert told(fact) == ("info", "charge-1", "done", {"duration_ms": 500, "attempts": 2})
    assert line(fact).source == "step"


@pytest.mark.parametrize(
    ("kind", "message"),
    [("sleep", "slept"), ("waitForEvent", "got its event"), ("rollback", "undone"), ("new", "done")],
)
def test_each_kind_of_step_has_its_word(kind, message):
    assert told(Settled("x-1", kind, 5, Ok(), b"", 1)) == ("info", "x-1", message, {"duration_ms": 4})


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        ("paid", "event 'paid' came in"),
        (requests.CANCEL, "asked to cancel"),
        (requests.ROLL_BACK, "asked to roll back"),
        (f"{requests.CHILD}ship-1", "a child is over"),
    ],
)
def test_what_came_in_is_told_to_those_who_look_closely(type_, message):
    assert told(Received(1, type_, b"", 1, 1)) == ("debug", "", message, {"type": type_})


def test_a_check_that_says_to_go_on_is_no_failure():
    fact = Failed("ready-1", 3, 1, 5, NOT_YET)
    assert told(fact) == ("debug", "ready-1", "check 3: not yet", {})


def test_a_step_that_failed_is_an_error():
    level, step, message, data = told(Settled("charge-1", "do", 5, Err(BOOM), b"", 1, 3, 4))
    assert (level, step, message) == ("error", "charge-1", "failed: ValueError: boom")
    assert data == {"duration_ms": 4, "attempts": 3, "error": "ValueError"}


def test_an_attempt_that_failed_is_a_warning_that_tells_when_the_next_is_due():
    level, step, message, data = told(Failed("charge-1", 2, 1_000, 1_250, BOOM, 11_250))
    assert (level, step, message) == ("warn", "charge-1", "attempt 2 failed: ValueError: boom; retry in 10 s")
    assert data == {
        "attempt": 2,
        "duration_ms": 250,
        "retry_at": 11_250,
        "error": "ValueError",
        "trace": "Traceback: boom",
    }
    assert line(Failed("charge-1", 6, 1, 2, BOOM)).message == "attempt 6 failed: ValueError: boom"


def test_beginnings_and_events_are_for_those_who_look_closely():
    assert told(Opened("nap-1", "sleep", 1, detail={"duration": 5})) == (
        "debug",
        "nap-1",
        "sleep begins",
        {"duration": 5},
    )
    assert told(Tried("charge-1", 2, 1)) == ("debug", "charge-1", "attempt 2 goes on", {"attempt": 2})
    assert told(Received(1, "paid", b"\xc0", 1, 1)) == ("debug", "", "event 'paid' came in", {"type": "paid"})


@pytest.mark.parametrize("body", [b"", b"\xff", msgspec.msgpack.encode([99, "from the future"])])
def test_a_record_that_nobody_can_read_is_no_line(body):
    assert line_of(Record(1, 7, 1, 99, 1, body)) is None


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (1_500, "1.5 s"),
        (59_900, "59.9 s"),
        (60_000, "1 min"),
        (7_199_999, "119 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 days"),
    ],
)
def test_a_duration_is_shown_to_a_person(ms, shown):
    assert span(ms) == shown


WARNING = line(Logged("warn", "The Shelf is empty", 1, {"shelf": "B7"}, "charge-2", "step"))


@pytest.mark.parametrize(
    ("sieve", "wanted"),
    [
        (Sieve(), True),
        (Sieve(level="warn"), True),
        (Sieve(level="error"), False),
        (Sieve(workflow="orders"), True),
        (Sieve(workflow="order"), False),
        (Sieve(instance="a"), True),
        (Sieve(instance="b"), False),
        (Sieve(step="charge-2"), True),
        (Sieve(step="charge"), True),
        (Sieve(step="charge-1"), False),
        (Sieve(step="charg"), False),
        (Sieve(search="shelf IS"), True),
        (Sieve(search='"b7"'), True),
        (Sieve(search="b8"), False),
        (Sieve(workflow="orders", search="b8"), False),
    ],
)
def test_a_sieve_lets_through_what_is_wanted(sieve, wanted):
    assert sieve.wants(WARNING) is wanted


def test_a_line_of_no_step_is_of_no_step_that_is_asked_for():
    assert not Sieve(step="charge").wants(line(Moved("complete", 1)))


def test_the_store_is_asked_for_beginnings_only_when_they_can_pass():
    made = {
        facts.tag(fact): line(fact).level
        for fact in (
            Opened("x-1", "do", 1),
            Tried("x-1", 1, 1),
            Failed("x-1", 1, 1, 1, BOOM),
            Settled("x-1", "do", 1, Ok()),
            Received(1, "x", b"", 1, 1),
            Moved("complete", 1),
            Logged("info", "x", 1),
        )
    }
    for level in LEVELS:
        tags = Sieve(level=level).tags or list(made)
        passing = {tag for tag, shown in made.items() if LEVELS.index(shown) >= LEVELS.index(level)}
        assert passing <= set(tags)
    assert Sieve(level="info").tags != []
