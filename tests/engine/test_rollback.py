from __future__ import annotations

from tests.engine.play import BOOM, LAST_STRAW, OK, Play
from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.facts import Opened, Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err
from wflow.engine.retry import Retry
from wflow.engine.steps.do import DEATHS, POISONED
from wflow.engine.steps.rollback import PREFIX, Rollback

MINUTES_10 = 600_000
UNDO = Rollback("rollback:charge-1", Retry(limit=1, delay_ms=1_000))


def test_its_key_is_its_name_which_tells_what_it_undoes():
    assert PREFIX == "rollback:"
    assert Machine().open(Rollback(PREFIX + "charge-1"), 0) == "rollback:charge-1"


def test_a_rollback_that_succeeds_at_once_is_one_fact():
    play = Play(UNDO)
    play << Run(1, MINUTES_10)
    play.at(30) >> OK << Settle(OK)
    assert play.journal == [
        Settled("rollback:charge-1", "rollback", 30, OK, b"", 0, 1, 0, None, UNDO.describe(), 1)
    ]


def test_a_rollback_is_tried_as_often_as_its_own_policy_allows():
    play = Play(UNDO)
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, MINUTES_10) >> BOOM << Settle(BOOM)


def test_a_rollback_that_fails_for_good_is_not_tried_again():
    Play(UNDO) << Run(1, MINUTES_10) >> LAST_STRAW << Settle(LAST_STRAW)


def test_a_rollback_goes_on_after_a_crash():
    play = Play(UNDO)
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    play.at(500).crash() << Park(1_000)
    (play.at(1_000) << Run(2, MINUTES_10)).lasts()
    play.at(1_500).crash() << Run(3, MINUTES_10) >> OK << Settle(OK)


def test_a_rollback_that_keeps_ending_its_process_is_given_up():
    play = Play(UNDO)
    for attempt in range(1, DEATHS + 1):
        play << Run(attempt, MINUTES_10)
        play.lasts().dies()
    play << Settle(Err(POISONED))


def test_how_it_is_tried_may_change_with_the_code():
    play = Play(UNDO)
    play << Run(1, MINUTES_10) >> BOOM << Park(1_000)
    other = Rollback("rollback:charge-1", Retry(limit=0))
    play.crash(other) << Settle(BOOM)


def test_only_a_policy_of_its_own_is_shown():
    assert Rollback("rollback:charge-1").describe() == {}
    play = Play(UNDO)
    play << Run(1, MINUTES_10)
    play.lasts()
    detail = {"retries": {"limit": 1, "delay": 1_000, "backoff": "exponential"}, "timeout": MINUTES_10}
    assert play.journal[0] == Opened("rollback:charge-1", "rollback", 0, b"", detail, 1)
