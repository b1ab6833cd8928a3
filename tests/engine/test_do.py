from __future__ import annotations

import pytest

from tests.engine.play import BOOM, LAST_STRAW, OK, Play
from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.facts import Failed, Opened, Settled, Tried
from wflow.engine.outcome import Err
from wflow.engine.retry import Retry
from wflow.engine.steps.do import INTERRUPTED, Do

MINUTES_10 = 600_000


def test_a_step_that_succeeds_at_once_is_one_fact():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10)
    play.at(30) >> OK << Settle(OK)
    assert play.journal == [Settled("charge-1", "do", 30, OK, b"", 0, 1, 0)]


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
        Opened("charge-1", "do", 0, b"", Do("charge", Retry(limit=2, delay_ms=1_000)).describe()),
        Failed("charge-1", 1, 0, 0, BOOM.failure, 1_000),
        Settled("charge-1", "do", 1_500, OK, b"", 0, 2, 1_000),
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


def test_a_changed_delay_does_not_move_a_retry_that_is_recorded():
    play = Play(Do("charge", Retry(delay_ms=1_000)))
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.crash(Do("charge", Retry(delay_ms=60_000))) << Park(1_000)


def test_a_lowered_limit_ends_a_step_that_has_used_it_up():
    play = Play(Do("charge", Retry(limit=5, delay_ms=0)))
    play << Run(1, MINUTES_10) >> BOOM << Run(2, MINUTES_10) >> BOOM
    play.crash(Do("charge", Retry(limit=1, delay_ms=0))) << Settle(BOOM)


def test_the_last_failure_settles_the_step_though_the_process_died_before_it_said_so():
    play = Play(Do("charge", Retry(limit=0)))
    play << Run(1, MINUTES_10) >> BOOM
    play.crash() << Settle(BOOM)


def test_an_attempt_that_nobody_knows_of_is_made_again_with_its_number():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10)
    assert play.journal == []
    play.at(9).crash() << Run(1, MINUTES_10) >> OK << Settle(OK)


def test_an_interrupted_attempt_is_spent_but_not_its_delay():
    play = Play(Do("charge", Retry(limit=1, delay_ms=60_000)))
    play << Run(1, MINUTES_10)
    play.lasts().crash() << Run(2, MINUTES_10) >> OK << Settle(OK)


def test_interrupted_attempts_count_against_the_limit():
    play = Play(Do("charge", Retry(limit=1)))
    play << Run(1, MINUTES_10)
    play.lasts().crash() << Run(2, MINUTES_10)
    play.lasts().crash() << Settle(Err(INTERRUPTED))


def test_an_interrupted_attempt_after_a_failure_hides_the_old_error():
    play = Play(Do("charge", Retry(limit=1, delay_ms=0)))
    play << Run(1, MINUTES_10) >> BOOM << Run(2, MINUTES_10)
    play.lasts().crash() << Settle(Err(INTERRUPTED))


def test_an_attempt_after_an_interrupted_one_fails_by_policy():
    play = Play(Do("charge", Retry(limit=2, delay_ms=1_000)))
    play << Run(1, MINUTES_10)
    play.lasts().crash() << Run(2, MINUTES_10) >> BOOM << Park(2_000)
    assert play.told() == ["Opened", "Tried", "Failed"]


def test_an_attempt_that_lasts_is_told_once():
    play = Play(Do("charge"))
    play << Run(1, MINUTES_10)
    play.lasts().lasts()
    assert play.journal == [Opened("charge-1", "do", 0), Tried("charge-1", 1, 0)]


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


def test_only_a_policy_of_its_own_is_shown():
    assert Do("charge").describe() == {}
    assert Do("charge", Retry()).describe() == {}
    assert Do("charge", Retry(limit=1, delay_ms=2, backoff="linear", timeout_ms=3)).describe() == {
        "retries": {"limit": 1, "delay": 2, "backoff": "linear"},
        "timeout": 3,
    }
