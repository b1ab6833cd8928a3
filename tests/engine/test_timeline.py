"""The fold behind `describe`."""

from __future__ import annotations

from wflow.engine import values
from wflow.engine.facts import Fact, Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Err, Failure, Ok
from wflow.engine.timeline import ATTEMPTS, AttemptShown, StepShown, timeline

BOOM = Failure(name="ValueError", message="boom")
SEVEN = Ok(values.encode(7))


def test_a_step_that_succeeds_at_once_is_one_fact_and_one_attempt():
    journal: list[Fact] = [Settled("charge-1", "do", 1_500, SEVEN, b"", 1_000, 1, 1_100)]
    assert timeline(journal) == [
        StepShown(
            key="charge-1",
            kind="do",
            start=1_000,
            end=1_500,
            success=True,
            attempts=(AttemptShown(number=1, start=1_100, end=1_500, success=True),),
            tried=1,
            output=values.encode(7),
        )
    ]


def test_steps_come_in_the_order_in_which_they_were_opened():
    journal: list[Fact] = [
        Opened("slow-1", "do", 1_000),
        Opened("nap-1", "sleep", 1_000, detail={"duration": 500}),
        Settled("quick-1", "do", 1_100, SEVEN, b"", 1_000, 1, 1_000),
        Settled("nap-1", "sleep", 1_500, Ok(), b"", 1_000),
        Settled("slow-1", "do", 2_000, SEVEN, b"", 1_000, 1, 1_000),
    ]
    assert [step.key for step in timeline(journal)] == ["slow-1", "nap-1", "quick-1"]


def test_every_attempt_is_shown_with_its_error_until_one_succeeds():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000, detail={"timeout": 5_000}),
        Failed("charge-1", 1, 1_000, 1_200, BOOM, 2_200),
        Tried("charge-1", 2, 2_200),
        Settled("charge-1", "do", 2_500, SEVEN, b"", 1_000, 2, 2_200),
    ]
    (step,) = timeline(journal)
    assert step.attempts == (
        AttemptShown(number=1, start=1_000, end=1_200, success=False, error=BOOM),
        AttemptShown(number=2, start=2_200, end=2_500, success=True),
    )
    assert (step.start, step.end, step.retry_at) == (1_000, 2_500, None)
    assert step.config == {"timeout": 5_000}
    assert step.until is None, "a step's timeout is of each attempt, it is no deadline"


def test_between_two_attempts_it_says_when_the_next_is_due():
    journal: list[Fact] = [Opened("charge-1", "do", 1_000), Failed("charge-1", 1, 1_000, 1_200, BOOM, 11_200)]
    (step,) = timeline(journal)
    assert (step.retry_at, step.finished, step.error) == (11_200, False, None)


def test_an_attempt_that_began_again_is_due_no_more():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Failed("charge-1", 1, 1_000, 1_200, BOOM, 1_300),
        Tried("charge-1", 2, 1_300),
    ]
    (step,) = timeline(journal)
    assert step.retry_at is None
    assert step.attempts[-1] == AttemptShown(number=2, start=1_300)


def test_an_attempt_that_died_with_its_process_failed_at_no_known_time():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Tried("charge-1", 1, 1_000),
        Settled("charge-1", "do", 9_500, SEVEN, b"", 1_000, 2, 9_000),
    ]
    (step,) = timeline(journal)
    assert step.attempts == (
        AttemptShown(number=1, start=1_000, end=None, success=False, error=INTERRUPTED),
        AttemptShown(number=2, start=9_000, end=9_500, success=True),
    )


def test_an_attempt_that_is_known_to_have_died_ended_at_no_known_time_either():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Tried("charge-1", 1, 1_000),
        Failed("charge-1", 1, 1_000, 9_000, INTERRUPTED, 9_000),
        Tried("charge-1", 2, 9_000),
    ]
    (step,) = timeline(journal)
    assert step.attempts == (
        AttemptShown(number=1, start=1_000, end=None, success=False, error=INTERRUPTED),
        AttemptShown(number=2, start=9_000),
    )


def test_a_step_whose_last_attempt_died_fails_with_it():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Tried("charge-1", 1, 1_000),
        Failed("charge-1", 1, 1_000, 9_000, INTERRUPTED),
        Settled("charge-1", "do", 9_000, Err(INTERRUPTED), b"", 1_000, 1, 1_000),
    ]
    (step,) = timeline(journal)
    assert (step.success, step.error) == (False, INTERRUPTED)
    assert step.attempts == (AttemptShown(number=1, start=1_000, success=False, error=INTERRUPTED),)


def test_a_failed_step_has_the_error_and_no_attempt_twice():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Failed("charge-1", 1, 1_000, 1_200, BOOM),
        Settled("charge-1", "do", 1_200, Err(BOOM), b"", 1_000, 1, 1_000),
    ]
    (step,) = timeline(journal)
    assert (step.success, step.error, step.output) == (False, BOOM, None)
    assert len(step.attempts) == 1


def test_a_sleep_shows_its_deadline_whether_it_was_given_as_a_span_or_as_an_instant():
    journal: list[Fact] = [
        Opened("nap-1", "sleep", 1_000, detail={"duration": 500}),
        Opened("dawn-1", "sleep", 1_000, detail={"until": 7_000}),
    ]
    nap, dawn = timeline(journal)
    assert (nap.until, nap.end, nap.finished) == (1_500, None, False)
    assert dawn.until == 7_000


def test_a_wait_shows_the_event_that_it_consumed_and_no_other():
    first = Received(1, "paid", values.encode({"by": "card"}), 1_400, 1_500)
    second = Received(2, "paid", values.encode(None), 1_450, 1_500)
    journal: list[Fact] = [
        Opened("payment-1", "waitForEvent", 1_000, detail={"type": "paid", "timeout": 60_000}),
        Moved("waiting", 1_000),
        first,
        second,
        Settled("payment-1", "waitForEvent", 1_500, Ok(), b"", 1_000, event=1),
    ]
    (step,) = timeline(journal)
    assert (step.event, step.until, step.end) == (first, 61_000, 1_500)


def test_a_wait_that_timed_out_has_an_error_and_no_event():
    late = Failure(name="WorkflowTimeoutError", message="Execution timed out after 1000ms")
    journal: list[Fact] = [
        Opened("payment-1", "waitForEvent", 1_000, detail={"type": "paid", "timeout": 1_000}),
        Settled("payment-1", "waitForEvent", 2_000, Err(late), b"", 1_000),
    ]
    (step,) = timeline(journal)
    assert (step.success, step.event, step.error) == (False, None, late)


def test_what_is_of_no_step_is_passed_over():
    assert timeline([Moved("running", 1), Logged("info", "hello", 2), Moved("complete", 3)]) == []


def test_a_rollback_is_a_step_with_attempts():
    journal: list[Fact] = [
        Settled("charge-1", "do", 1_500, SEVEN, b"", 1_000, 1, 1_000),
        Moved("rollingBack", 1_500, failure=BOOM),
        Opened("rollback:charge-1", "rollback", 1_500),
        Failed("rollback:charge-1", 1, 1_500, 1_600, BOOM, 2_600),
    ]
    _, step = timeline(journal)
    assert (step.key, step.kind, step.finished) == ("rollback:charge-1", "rollback", False)
    assert (step.until, step.retry_at) == (None, 2_600)
    assert step.attempts == (AttemptShown(number=1, start=1_500, end=1_600, success=False, error=BOOM),)


# -- polls ------------------------------------------------------------------------------------------------


def polled(checks: int) -> list[Fact]:
    """Make a poll that says so often to go on, once a second."""
    return [
        Opened("ready-1", "poll", 0, detail={"every": 1_000, "timeout": 10**9}),
        *(
            Failed("ready-1", n, n * 1_000, n * 1_000 + 5, NOT_YET, n * 1_000 + 1_000)
            for n in range(1, checks + 1)
        ),
    ]


def test_a_check_that_says_to_go_on_is_no_error():
    (step,) = timeline(polled(2))
    assert step.attempts == tuple(
        AttemptShown(number=n, start=n * 1_000, end=n * 1_000 + 5, success=True) for n in (1, 2)
    )
    assert (step.until, step.retry_at, step.finished, step.error) == (10**9, 3_000, False, None)


def test_a_check_that_failed_or_was_cut_off_is_an_error_of_a_poll_too():
    journal: list[Fact] = [
        *polled(1),
        Failed("ready-1", 2, 2_000, 2_005, BOOM, 3_000),
        Tried("ready-1", 3, 3_000),
        Settled("ready-1", "poll", 4_005, SEVEN, b"", 0, 4, 4_000),
    ]
    (step,) = timeline(journal)
    assert [(each.number, each.end, each.success, each.error) for each in step.attempts] == [
        (1, 1_005, True, None),
        (2, 2_005, False, BOOM),
        (3, None, False, INTERRUPTED),
        (4, 4_005, True, None),
    ]


def test_of_very_many_attempts_the_first_and_the_last_are_shown():
    half = ATTEMPTS // 2
    (step,) = timeline(polled(ATTEMPTS))
    assert ([each.number for each in step.attempts], step.tried) == ([*range(1, ATTEMPTS + 1)], ATTEMPTS)
    (step,) = timeline(polled(10_000))
    shown = [*range(1, half + 1), *range(10_001 - half, 10_001)]
    assert ([each.number for each in step.attempts], step.tried) == (shown, 10_000)


# -- pauses -----------------------------------------------------------------------------------------------


def test_what_waits_waits_longer_by_the_time_that_the_instance_was_paused():
    journal: list[Fact] = [
        Opened("nap-1", "sleep", 1_000, detail={"duration": 500}),
        Opened("dawn-1", "sleep", 1_000, detail={"until": 7_000}),
        Opened("payment-1", "waitForEvent", 1_000, detail={"type": "paid", "timeout": 60_000}),
        Opened("charge-1", "do", 1_000),
        Failed("charge-1", 1, 1_000, 1_200, BOOM, 1_300),
        Moved("waitingForPause", 1_200),
        Moved("paused", 1_250),
        Moved("queued", 3_250),
        Moved("running", 3_260),
        Moved("paused", 3_300),
        Moved("queued", 3_400),
    ]
    assert [(step.until, step.retry_at) for step in timeline(journal)] == [
        (3_600, None),
        (7_000, None),
        (63_100, None),
        (None, 3_400),
    ]


def test_the_deadline_of_what_was_over_before_stays():
    journal: list[Fact] = [
        Opened("nap-1", "sleep", 1_000, detail={"duration": 500}),
        Settled("nap-1", "sleep", 1_500, Ok(), b"", 1_000),
        Moved("paused", 2_000),
        Moved("queued", 3_000),
    ]
    (step,) = timeline(journal)
    assert (step.until, step.end) == (1_500, 1_500)


def test_a_pause_that_goes_on_puts_nothing_off_as_yet():
    journal: list[Fact] = [
        Opened("nap-1", "sleep", 1_000, detail={"duration": 500}),
        Moved("paused", 1_100),
    ]
    (step,) = timeline(journal)
    assert step.until == 1_500


# -- what is to stay secret -------------------------------------------------------------------------------


def test_a_step_that_is_sensitive_says_so_whether_it_was_told_in_one_fact_or_in_two():
    sensitive: dict[str, object] = {"sensitive": "output"}
    journal: list[Fact] = [
        Settled("quick-1", "do", 1_100, SEVEN, b"", 1_000, 1, 1_000, None, sensitive),
        Opened("slow-1", "do", 1_000, detail=sensitive),
        Settled("slow-1", "do", 2_000, SEVEN, b"", 1_000, 1, 1_000),
    ]
    assert [step.config for step in timeline(journal)] == [sensitive, sensitive]


def test_a_change_that_the_code_took_in_is_no_step():
    assert timeline([Settled("patched:v2", "patch", 1_500, Ok(), order=1)]) == []
