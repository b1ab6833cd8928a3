from __future__ import annotations

import pytest

from tests.engine.play import BOOM, LAST_STRAW, OK, Play
from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.facts import Failed, Opened, Settled, Tried
from wflow.engine.outcome import INTERRUPTED, Err
from wflow.engine.retry import Retry
from wflow.engine.steps.do import DEATHS, POISONED, Do

MINUTES_10 = 600_000
ONCE = Do("charge", Retry(limit=0), at_most_once=True)


def test_a_step_that_succeeds_at_once_is_one_fact():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10)
    play.at(30) >> OK << Settle(OK)
    assert play.journal == [Settled("charge-1", "do", 30, OK, b"", 0, 1, 0, order=1)]


def test_a_failed_attempt_waits_twice_as_long_each_time():
    play = Play(Do("charge", Retry(limit=2, delay_ms=1_000)))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, MINUTES_10) >> BOOM << Park(3_000)
    play.at(3_000) << Run(3, MINUTES_10) >> BOOM << Settle(BOOM)


def test_a_linear_delay_grows_by_itself():
    play = Play(Do("charge", Retry(limit=3, delay_ms=1_000, backoff="linear")))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, MINUTES_10) >> BOOM << Park(3_000)
    play.at(3_000) << Run(3, MINUTES_10) >> BOOM << Park(6_000)


def test_a_constant_delay_stays():
    play = Play(Do("charge", Retry(limit=3, delay_ms=1_000, backoff="constant")))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, MINUTES_10) >> BOOM << Park(2_000)
    play.at(2_000) << Run(3, MINUTES_10) >> BOOM << Park(3_000)


def test_the_delay_counts_from_the_end_of_the_attempt():
    play = Play(Do("charge", Retry(delay_ms=1_000)))
    play << Run(1, MINUTES_10)
    play.at(5_000) >> BOOM << Park(6_000)
    play.at(5_999) << Park(6_000)
    play.at(6_000) << Run(2, MINUTES_10)


def test_no_delay_runs_again_at_once():
    play = Play(Do("charge", Retry(limit=1, delay_ms=0)))
    play << Run(1, MINUTES_10) >> BOOM << Run(2, MINUTES_10) >> BOOM << Settle(BOOM)
    assert [fact.retry_at for fact in play.journal if isinstance(fact, Failed)] == [0, None]


def test_a_limit_of_none_gives_one_attempt():
    play = Play(Do("charge", Retry(limit=0)))
    play << Run(1, MINUTES_10) >> BOOM << Settle(BOOM)


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_attempts_are_one_more_than_the_limit(limit):
    play = Play(Do("charge", Retry(limit=limit, delay_ms=0)))
    for attempt in range(1, limit + 2):
        play << Run(attempt, MINUTES_10) >> BOOM
    play << Settle(BOOM)


def test_the_timeout_is_the_policys():
    Play(Do("charge", Retry(timeout_ms=1_234))) << Run(1, 1_234)


def test_a_non_retryable_error_ends_the_step_however_many_attempts_are_left():
    play = Play(Do("charge", Retry(limit=100)))
    play << Run(1, MINUTES_10) >> LAST_STRAW << Settle(LAST_STRAW)
    assert [fact.retry_at for fact in play.journal if isinstance(fact, Failed)] == [None]


def test_a_success_after_failures_tells_of_every_attempt():
    play = Play(Do("charge", Retry(limit=2, delay_ms=1_000)))
    play << Run(1, MINUTES_10) >> BOOM
    play.at(1_000) << Run(2, MINUTES_10)
    play.at(1_500) >> OK << Settle(OK)
    assert play.journal == [
        Opened("charge-1", "do", 0, b"", Do("charge", Retry(limit=2, delay_ms=1_000)).describe(), 1),
        Failed("charge-1", 1, 0, 0, BOOM.failure, 1_000),
        Settled("charge-1", "do", 1_500, OK, b"", 0, 2, 1_000, order=1),
    ]


def test_the_recorded_time_of_the_retry_holds_after_a_crash():
    play = Play(Do("charge", Retry(delay_ms=1_000)))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.at(400).crash() << Park(1_000)
    play.at(1_000) << Run(2, MINUTES_10)


def test_an_attempt_that_lasted_and_failed_was_not_interrupted():
    play = Play(Do("charge", Retry(delay_ms=1_000)))
    play << Run(1, MINUTES_10)
    play.lasts() >> BOOM
    play.crash() << Park(1_000)


def test_the_last_failure_settles_the_step_though_the_process_died_before_it_said_so():
    play = Play(Do("charge", Retry(limit=0)))
    play << Run(1, MINUTES_10) >> BOOM
    play.crash() << Settle(BOOM)


def test_an_attempt_that_nobody_knows_of_is_made_again_with_its_number():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10)
    assert play.journal == []
    play.at(9).crash() << Run(1, MINUTES_10) >> OK << Settle(OK)


def test_an_attempt_that_is_cut_off_uses_up_no_retry_and_leaves_no_trace():
    play = Play(Do("charge", Retry(limit=0, delay_ms=60_000)))
    for attempt in range(1, 10):
        play << Run(attempt, MINUTES_10)
        play.lasts().at(attempt).crash()
    play << Run(10, MINUTES_10) >> OK << Settle(OK)
    assert play.told() == ["Opened", *["Tried"] * 9, "Settled"]


def test_an_attempt_that_is_cut_off_after_a_failure_is_made_again_without_another_delay():
    play = Play(Do("charge", Retry(limit=1, delay_ms=1_000)))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, MINUTES_10)
    play.lasts().at(1_200).crash() << Run(3, MINUTES_10) >> BOOM << Settle(BOOM)


def test_an_attempt_after_one_that_was_cut_off_fails_by_policy():
    play = Play(Do("charge", Retry(limit=1, delay_ms=1_000)))
    play << Run(1, MINUTES_10)
    play.lasts().dies() << Run(2, MINUTES_10) >> BOOM << Park(1_000)
    play.at(1_000) << Run(3, MINUTES_10) >> BOOM << Settle(BOOM)


# -- who ends its process ---------------------------------------------------------------------------------


def test_an_attempt_whose_process_died_is_told_as_failed_and_made_again_at_once():
    play = Play(Do("charge", Retry(limit=0, delay_ms=60_000)))
    play << Run(1, MINUTES_10)
    play.lasts().at(7).dies() << Run(2, MINUTES_10) >> OK << Settle(OK)
    assert [fact for fact in play.journal if isinstance(fact, Failed)] == [
        Failed("charge-1", 1, 0, 7, INTERRUPTED, 7)
    ]


def test_a_step_that_keeps_ending_its_process_is_given_up_with_an_error_that_says_so():
    play = Play(Do("charge", Retry(limit=100)))
    for attempt in range(1, DEATHS + 1):
        play << Run(attempt, MINUTES_10)
        play.lasts().dies()
    play << Settle(Err(POISONED))
    assert POISONED.message == "the process ended 5 times under this step, which is not tried again"
    assert [fact.retry_at for fact in play.journal if isinstance(fact, Failed)] == [0, 0, 0, 0, None]


def test_deaths_are_counted_however_many_failures_and_cut_offs_there_are_between():
    play = Play(Do("charge", Retry(limit=100, delay_ms=0)))
    for death in range(DEATHS):
        play << Run(3 * death + 1, MINUTES_10) >> BOOM << Run(3 * death + 2, MINUTES_10)
        play.lasts().crash() << Run(3 * death + 3, MINUTES_10)
        play.lasts().dies()
    play << Settle(Err(POISONED))


def test_who_did_not_run_is_not_to_blame():
    play = Play(Do("charge", Retry(limit=1, delay_ms=1_000)))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.dies() << Park(1_000)
    play.at(1_000) << Run(2, MINUTES_10)
    play.dies() << Run(2, MINUTES_10)
    assert play.told() == ["Opened", "Failed"]


def test_a_death_that_nobody_wrote_down_is_forgotten():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10)
    play.lasts().dies().crash() << Run(2, MINUTES_10)
    assert play.told() == ["Opened", "Tried"]


# -- at most once -----------------------------------------------------------------------------------------


def test_at_most_once_an_attempt_that_was_cut_off_fails_the_step():
    play = Play(ONCE)
    play << Run(1, MINUTES_10)
    play.lasts().at(9).crash() << Settle(Err(INTERRUPTED))
    assert play.journal == [
        Opened("charge-1", "do", 0, b"", ONCE.describe(), 1),
        Tried("charge-1", 1, 0),
        Failed("charge-1", 1, 0, 9, INTERRUPTED),
        Settled("charge-1", "do", 9, Err(INTERRUPTED), b"", 0, 1, 0, order=1),
    ]
    assert (INTERRUPTED.name, INTERRUPTED.path) == ("StepInterrupted", "wflow.errors:StepInterrupted")


@pytest.mark.parametrize("died", [True, False])
def test_at_most_once_what_was_cut_off_counts_against_a_limit_that_is_set(died):
    play = Play(Do("charge", Retry(limit=2, delay_ms=1_000), at_most_once=True))
    play << Run(1, MINUTES_10)
    end = play.dies if died else play.crash
    play.lasts()
    end() << Run(2, MINUTES_10) >> BOOM << Park(2_000)
    play.at(2_000) << Run(3, MINUTES_10)
    play.lasts()
    end() << Settle(Err(INTERRUPTED))


def test_at_most_once_too_five_deaths_are_enough():
    play = Play(Do("charge", Retry(limit=100), at_most_once=True))
    for attempt in range(1, DEATHS + 1):
        play << Run(attempt, MINUTES_10)
        play.lasts().dies()
    play << Settle(Err(POISONED))


def test_at_most_once_an_attempt_that_never_was_on_disk_never_began():
    play = Play(ONCE)
    play << Run(1, MINUTES_10)
    play.crash() << Run(1, MINUTES_10)


# -- settings that hold -----------------------------------------------------------------------------------


def test_the_settings_that_a_step_began_with_hold_when_the_code_has_others():
    play = Play(Do("charge", Retry(limit=1, delay_ms=1_000, timeout_ms=50)))
    play << Run(1, 50) >> BOOM << Park(1_000)
    other = Do("charge", Retry(limit=9, delay_ms=7, backoff="linear", timeout_ms=8))
    play.crash(other) << Park(1_000)
    play.at(1_000) << Run(2, 50) >> BOOM << Settle(BOOM)


def test_the_default_settings_hold_as_well():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10) >> BOOM << Park(10_000)
    play.crash(Do("charge", Retry(limit=0), at_most_once=True)) << Park(10_000)
    (play.at(10_000) << Run(2, MINUTES_10)).lasts()
    play.crash(Do("charge", Retry(limit=0))) << Run(3, MINUTES_10) >> BOOM << Park(30_000)


def test_at_most_once_holds_when_the_code_says_otherwise():
    play = Play(ONCE)
    play << Run(1, MINUTES_10)
    play.lasts().crash(Do("charge", Retry(limit=5))) << Settle(Err(INTERRUPTED))


def test_a_step_that_the_journal_does_not_tell_of_has_the_settings_of_the_code():
    play = Play(Do("charge", Retry(limit=5)))
    play << Run(1, MINUTES_10)
    play.crash(Do("charge", Retry(limit=0, timeout_ms=9))) << Run(1, 9) >> BOOM << Settle(BOOM)


def test_a_delay_function_gives_the_delay_which_grows_by_the_backoff():
    play = Play(Do("charge", Retry(limit=9), dynamic=True))
    (play << Run(1, MINUTES_10)).says(100) << Park(100)
    (play.at(100) << Run(2, MINUTES_10)).says(100) << Park(300)
    play.crash() << Park(300)


def test_a_delay_function_of_the_code_at_hand_is_asked_as_long_as_the_step_began_with_one():
    play = Play(Do("charge", Retry(delay_ms=7), dynamic=True))
    (play << Run(1, MINUTES_10)).says(100) << Park(100)
    play.crash(Do("charge", Retry(delay_ms=50, backoff="constant")))
    play.at(100) << Run(2, MINUTES_10) >> BOOM << Park(200)

    play = Play(Do("charge", Retry(delay_ms=7)))
    play << Run(1, MINUTES_10) >> BOOM << Park(7)
    play.crash(Do("charge", Retry(), dynamic=True))
    (play.at(7) << Run(2, MINUTES_10)).says(100_000) << Park(21)


# -- pauses -----------------------------------------------------------------------------------------------


def test_the_wait_for_the_next_attempt_stands_still_while_the_instance_is_paused():
    play = Play(Do("charge", Retry(limit=2, delay_ms=1_000)))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.paused(400, 5_400) << Park(6_000)
    play.paused(5_500, 5_700) << Park(6_200)
    play.at(6_200) << Run(2, MINUTES_10) >> BOOM << Park(8_200)
    play.crash() << Park(8_200)


def test_a_pause_while_nothing_is_waited_for_moves_nothing():
    play = Play(Do("charge", Retry(limit=2, delay_ms=1_000)))
    (play << Run(1, MINUTES_10)).lasts()
    play.paused(400, 5_400) << Run(2, MINUTES_10) >> BOOM << Park(6_400)


# -- what is told -----------------------------------------------------------------------------------------


def test_an_attempt_that_lasts_is_told_once():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10)
    play.lasts().lasts()
    assert play.journal == [Opened("charge-1", "do", 0, order=1), Tried("charge-1", 1, 0)]


def test_each_attempt_that_lasts_is_told():
    play = Play(Do("charge", Retry(limit=1, delay_ms=0)))
    play << Run(1, MINUTES_10)
    play.lasts() >> BOOM << Run(2, MINUTES_10)
    play.lasts()
    assert play.told() == ["Opened", "Tried", "Failed", "Tried"]


def test_a_step_that_waits_for_its_retry_has_no_attempt_to_tell_of():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10) >> BOOM
    play.lasts()
    assert play.told() == ["Opened", "Failed"]


def test_a_settled_step_is_settled_for_ever():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10) >> OK << Settle(OK)
    before = list(play.journal)
    play.at(10**12).crash() << Settle(OK)
    assert play.journal == before


def test_only_what_is_not_the_default_is_shown():
    assert Do("charge").describe() == {}
    assert Do("charge", Retry()).describe() == {}
    assert Do("charge", Retry(limit=1, delay_ms=2, backoff="linear", timeout_ms=3)).describe() == {
        "retries": {"limit": 1, "delay": 2, "backoff": "linear"},
        "timeout": 3,
    }
    assert Do("charge", dynamic=True).describe() == {
        "retries": {"limit": 5, "delay": "[dynamic]", "backoff": "exponential"},
        "timeout": MINUTES_10,
    }
    assert Do("charge", at_most_once=True, sensitive=True, undoable=True).describe() == {
        "atMostOnce": True,
        "sensitive": "output",
        "rollback": True,
    }


@pytest.mark.parametrize(
    "step",
    [
        Do("charge"),
        Do("charge", Retry(1, 2, "linear", 3)),
        Do("charge", sensitive=True),
        Do("charge", Retry(0), at_most_once=True, undoable=True),
        Do("charge", Retry(4), dynamic=True),
    ],
)
def test_what_is_recorded_of_a_step_makes_the_same_step(step):
    assert step.recorded(step.describe()) == step


def test_the_rollback_that_a_step_has_is_the_codes():
    assert Do("charge", undoable=True).recorded({}) == Do("charge", undoable=True)
    assert Do("charge").recorded({"rollback": True}) == Do("charge")
