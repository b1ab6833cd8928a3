from __future__ import annotations

from tests.engine.play import Play
from wflow.engine.decisions import Park, Settle
from wflow.engine.facts import Opened, Settled
from wflow.engine.outcome import Ok
from wflow.engine.steps.sleep import Sleep


def test_a_sleep_ends_when_its_time_has_come_and_not_before():
    play = Play(Sleep("nap", 1_000))
    play << Park(1_000)
    play.at(999) << Park(1_000)
    play.at(1_000) << Settle(Ok())


def test_a_sleep_that_is_over_late_is_over():
    Play(Sleep("nap", 1_000)).at(10**9) << Settle(Ok())


def test_no_duration_is_over_at_once():
    play = Play(Sleep("nap", 0))
    play << Settle(Ok())
    assert play.journal == [Settled("nap-1", "sleep", 0, Ok(), detail={"duration": 0}, order=1)]


def test_a_past_date_is_over_at_once():
    Play(Sleep("nap", until=-5)) << Settle(Ok())


def test_a_date_is_an_instant_however_late_it_is_asked_for():
    play = Play(Sleep("nap", until=5_000)).at(4_000)
    play << Park(5_000)
    play.at(5_000) << Settle(Ok())


def test_the_deadline_counts_from_the_first_time_it_was_asked_for():
    play = Play(Sleep("nap", 1_000))
    play << Park(1_000)
    play.lasts().at(700).crash() << Park(1_000)
    play.at(1_000) << Settle(Ok())


def test_a_changed_duration_moves_the_deadline_of_the_same_sleep():
    play = Play(Sleep("nap", 1_000))
    play << Park(1_000)
    play.lasts().at(100).crash(Sleep("nap", 5_000)) << Park(5_000)
    play.crash(Sleep("nap", 50)) << Settle(Ok())


def test_a_duration_may_become_a_date():
    play = Play(Sleep("nap", 1_000))
    play << Park(1_000)
    play.lasts().at(100).crash(Sleep("nap", until=200)) << Park(200)


def test_a_duration_does_not_run_while_the_instance_is_paused():
    play = Play(Sleep("nap", 1_000))
    play << Park(1_000)
    play.lasts().paused(400, 5_400) << Park(6_000)
    play.paused(5_500, 5_700) << Park(6_200)
    play.at(6_200) << Settle(Ok())


def test_an_instant_comes_also_while_the_instance_is_paused():
    play = Play(Sleep("nap", until=1_000))
    play << Park(1_000)
    play.lasts().paused(400, 900) << Park(1_000)
    play.paused(950, 5_000) << Settle(Ok())


def test_a_pause_before_the_sleep_is_none_of_its_business():
    play = Play(Sleep("nap", 1_000))
    play.paused(0, 500) << Park(1_500)


def test_a_sleep_shows_what_was_asked_for():
    play = Play(Sleep("nap", 1_000))
    play << Park(1_000)
    play.lasts().lasts()
    assert play.journal == [Opened("nap-1", "sleep", 0, b"", {"duration": 1_000}, 1)]
    assert Sleep("nap", until=7).describe() == {"until": 7}
