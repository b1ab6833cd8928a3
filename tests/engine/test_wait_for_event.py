from __future__ import annotations

from tests.engine.play import Play, event
from wflow.engine.decisions import Park, Settle
from wflow.engine.facts import Settled
from wflow.engine.outcome import Err, Failure, Ok
from wflow.engine.steps.wait_for_event import WaitForEvent

TIMED_OUT = Settle(
    Err(
        Failure(
            "WorkflowTimeoutError",
            "Execution timed out after 1000ms",
            "wflow.errors:WorkflowTimeoutError",
        )
    )
)


def wait() -> Play:
    return Play(WaitForEvent("wait", "paid", 1_000))


def test_a_wait_ends_with_the_event():
    play = wait() << Park(1_000, "paid")
    play.at(10) >> event(1, at=10) << Settle(Ok())
    assert play.journal[-1] == Settled(
        "wait-1", "waitForEvent", 10, Ok(), event=1, detail={"type": "paid", "timeout": 1_000}, order=1
    )


def test_an_event_of_another_type_is_none_of_its_business():
    wait() >> event(1, "shipped") << Park(1_000, "paid")


def test_an_event_that_came_before_the_wait_is_kept_for_it():
    wait() >> event(1, at=-500) << Settle(Ok())


def test_a_wait_without_an_event_times_out():
    play = wait()
    play.at(999) << Park(1_000, "paid")
    play.at(1_000) << TIMED_OUT
    assert play.journal[-1] == Settled(
        "wait-1", "waitForEvent", 1_000, TIMED_OUT.outcome, detail={"type": "paid", "timeout": 1_000}, order=1
    )


def test_an_event_sent_before_the_deadline_wins_though_it_is_seen_after_it():
    wait().at(5_000) >> event(1, at=1_000) << Settle(Ok())


def test_an_event_sent_after_the_deadline_comes_too_late_and_is_kept():
    play = wait().at(5_000) >> event(1, at=1_001) << TIMED_OUT
    assert [fact.event for fact in play.journal if isinstance(fact, Settled)] == [None]


def test_an_event_that_is_received_but_not_yet_taken_survives_a_crash():
    play = wait() >> event(1)
    play.crash() << Settle(Ok())


def test_the_deadline_counts_from_the_first_time_it_was_asked_for():
    play = wait() << Park(1_000, "paid")
    play.lasts().at(400).crash() << Park(1_000, "paid")


def test_it_waits_a_day_when_it_is_not_told():
    Play(WaitForEvent("wait", "paid")) << Park(24 * 60 * 60 * 1000, "paid")


def test_a_changed_timeout_moves_the_deadline_of_the_same_wait():
    play = wait() << Park(1_000, "paid")
    play.lasts().at(400).crash(WaitForEvent("wait", "paid", 5_000)) << Park(5_000, "paid")
    play.crash(WaitForEvent("wait", "shipped", 600)) << Park(600, "shipped")


def test_the_time_that_the_instance_is_paused_does_not_count():
    play = wait() << Park(1_000, "paid")
    play.lasts().paused(400, 5_400) << Park(6_000, "paid")
    play.at(6_000) << TIMED_OUT


def test_an_event_that_came_during_the_pause_is_in_time():
    play = wait() << Park(1_000, "paid")
    play.lasts().paused(400, 5_400) >> event(1, at=3_000) << Settle(Ok())


def test_a_wait_shows_what_it_awaits_and_for_how_long():
    assert WaitForEvent("wait", "paid", 5).describe() == {"type": "paid", "timeout": 5}
