from __future__ import annotations

import pytest

from tests.engine.play import BOOM, LAST_STRAW, OK, Play
from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.facts import Failed, Moved, Opened, Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Err, Failure
from wflow.engine.retry import Retry
from wflow.engine.status import PAUSED, QUEUED
from wflow.engine.steps.do import DEATHS, POISONED
from wflow.engine.steps.poll import Poll

MINUTE = 60_000
MINUTES_10 = 600_000
SOON = Poll("ready", 10_000, MINUTE)
NO = Err(NOT_YET)


def died(play):
    """Kill the process, for which the step that it was in is to blame."""
    play._machine = Machine(play.journal, seq=len(play.journal), died=True)
    play._key = play._machine.open(play._step, play.now)
    return play


def timed_out(after_ms, cause=None):
    message = f"Execution timed out after {after_ms}ms"
    path = "wflow.errors:WorkflowTimeoutError"
    return Settle(Err(Failure("WorkflowTimeoutError", message, path, cause=cause)))


def test_a_check_that_has_a_value_at_once_is_one_fact():
    play = Play(SOON)
    play << Run(1, MINUTE)
    play.at(30) >> OK << Settle(OK)
    detail: dict[str, object] = {"every": 10_000, "timeout": MINUTE}
    assert play.journal == [Settled("ready-1", "poll", 30, OK, b"", 0, 1, 0, None, detail, 1)]


def test_a_check_that_says_not_yet_is_made_again_after_a_while_and_costs_one_fact():
    play = Play(SOON)
    play << Run(1, MINUTE)
    play.at(200) >> NO << Park(10_200)
    play.at(10_200) << Run(2, 49_800) >> NO << Park(20_200)
    play.at(20_200) << Run(3, 39_800) >> OK << Settle(OK)
    assert play.told() == ["Opened", "Failed", "Failed", "Settled"]
    assert [fact.retry_at for fact in play.journal if isinstance(fact, Failed)] == [10_200, 20_200]


def test_it_goes_on_after_a_crash_when_the_next_check_is_due():
    play = Play(SOON)
    play << Run(1, MINUTE) >> NO << Park(10_000)
    play.at(4_000).crash() << Park(10_000)
    play.at(10_000).crash() << Run(2, 50_000)


def test_the_time_is_up_however_many_checks_there_were():
    play = Play(Poll("ready", 40_000, MINUTE))
    play << Run(1, MINUTE) >> NO << Park(40_000)
    play.at(40_000) << Run(2, 20_000) >> NO << Park(MINUTE)
    play.at(MINUTE) << timed_out(MINUTE)


def test_a_check_may_take_ten_minutes_and_no_longer_than_there_is_time_left():
    hour = 60 * MINUTE
    play = Play(Poll("ready", 10_000, hour))
    play << Run(1, MINUTES_10) >> NO
    play.at(hour - 5) << Run(2, 5)


def test_a_check_that_was_due_in_time_is_made_once_although_the_instance_was_down():
    play = Play(SOON)
    play << Run(1, MINUTE) >> NO << Park(10_000)
    play.at(5 * MINUTE).crash() << Run(2, MINUTE)
    play.at(5 * MINUTE + 100) >> NO << timed_out(MINUTE)

    play = Play(SOON)
    play << Run(1, MINUTE) >> NO << Park(10_000)
    play.at(5 * MINUTE).crash() << Run(2, MINUTE) >> OK << Settle(OK)


def test_an_instance_that_begins_late_checks_all_the_same():
    play = Play(SOON)
    play.at(2 * MINUTE) << Run(1, MINUTE) >> OK << Settle(OK)


def test_errors_are_retried_by_policy_and_the_last_one_is_the_polls():
    play = Play(Poll("ready", 10_000, MINUTE, Retry(limit=1, delay_ms=1_000)))
    play << Run(1, MINUTE) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, 59_000) >> BOOM << Settle(BOOM)


def test_only_errors_one_after_the_other_count():
    play = Play(Poll("ready", 10_000, MINUTE, Retry(limit=1, delay_ms=1_000)))
    play << Run(1, MINUTE) >> BOOM << Park(1_000)
    play.at(1_000) << Run(2, 59_000) >> NO << Park(11_000)
    play.at(11_000) << Run(3, 49_000) >> BOOM << Park(12_000)
    play.crash() << Park(12_000)
    play.at(12_000) << Run(4, 48_000) >> BOOM << Settle(BOOM)


def test_without_retries_an_error_ends_it_and_not_yet_does_not():
    play = Play(Poll("ready", 10_000, MINUTE, Retry(limit=0)))
    play << Run(1, MINUTE) >> NO << Park(10_000)
    play.at(10_000) << Run(2, 50_000) >> BOOM << Settle(BOOM)


def test_an_error_that_is_final_ends_it_at_once():
    play = Play(SOON)
    play << Run(1, MINUTE) >> LAST_STRAW << Settle(LAST_STRAW)


def test_a_timeout_between_retries_has_the_last_error_as_its_cause():
    play = Play(Poll("ready", 10_000, MINUTE, Retry(delay_ms=2 * MINUTE)))
    play << Run(1, MINUTE) >> BOOM << Park(MINUTE)
    play.at(MINUTE) << timed_out(MINUTE, BOOM.failure)


def test_no_check_begins_when_the_time_is_up_not_even_a_retry_without_delay():
    play = Play(Poll("ready", 10_000, MINUTE, Retry(delay_ms=0)))
    play << Run(1, MINUTE)
    play.at(MINUTE) >> BOOM << timed_out(MINUTE, BOOM.failure)


def test_a_function_may_give_the_delay_after_an_error():
    play = Play(Poll("ready", 10_000, MINUTE, Retry(), dynamic=True))
    play << Run(1, MINUTE)
    play._machine.report("ready-1", BOOM, 0, 3_000)
    play._keep()
    play << Park(3_000)
    play.crash() << Park(3_000)
    (opened,) = (fact for fact in play.journal if isinstance(fact, Opened))
    assert opened.detail["retries"] == {"limit": 5, "delay": "[dynamic]", "backoff": "exponential"}


def test_an_attempt_that_is_cut_off_is_made_again_at_once_and_uses_up_nothing():
    play = Play(Poll("ready", 10_000, MINUTE, Retry(limit=0)))
    (play << Run(1, MINUTE)).lasts()
    play.at(5_000).crash() << Run(2, 55_000) >> NO << Park(15_000)


def test_a_check_that_keeps_ending_its_process_is_given_up():
    play = Play(SOON)
    for death in range(1, DEATHS):
        died((play << Run(death, MINUTE)).lasts())
    died((play << Run(DEATHS, MINUTE)).lasts()) << Settle(Err(POISONED))


def test_deaths_count_one_after_the_other_as_errors_do():
    play = Play(SOON)
    for death in range(1, DEATHS):
        died((play << Run(death, MINUTE)).lasts())
    play << Run(DEATHS, MINUTE) >> NO << Park(10_000)
    died((play.at(10_000) << Run(DEATHS + 1, 50_000)).lasts()) << Run(DEATHS + 2, 50_000)


def test_one_that_is_cut_off_after_the_time_is_up_is_not_made_again():
    play = Play(SOON)
    play << Run(1, MINUTE) >> NO << Park(10_000)
    died((play.at(2 * MINUTE).crash() << Run(2, MINUTE)).lasts()) << timed_out(MINUTE, INTERRUPTED)


@pytest.mark.parametrize("checked", [1, 2])
def test_the_time_that_the_instance_is_paused_does_not_count(checked):
    play = Play(SOON)
    play << Run(1, MINUTE) >> NO << Park(10_000)
    play.journal += [Moved(PAUSED, 4_000), Moved(QUEUED, 104_000)]
    play.at(104_000).crash() << Park(110_000)
    if checked == 2:
        play.at(110_000) << Run(2, 50_000) >> NO << Park(120_000)
        play.at(120_000).crash() << Run(3, 40_000) >> NO << Park(130_000)
    play.at(150_000).crash() << Run(checked + checked, 10_000)


def test_how_often_and_how_long_may_change_with_the_code():
    play = Play(SOON)
    play << Run(1, MINUTE) >> NO << Park(10_000)
    play.crash(Poll("ready", 20_000, 15_000)) << Park(10_000)
    play.at(10_000) << Run(2, 5_000) >> NO << Park(15_000)
    play.at(15_000) << timed_out(15_000)


def test_it_shows_its_policy_where_it_is_not_the_default():
    assert SOON.describe() == {"every": 10_000, "timeout": MINUTE}
    retries = {"limit": 1, "delay": 0, "backoff": "linear"}
    shown = Poll("ready", 10_000, MINUTE, Retry(1, 0, "linear")).describe()
    assert shown == {"every": 10_000, "timeout": MINUTE, "retries": retries}
