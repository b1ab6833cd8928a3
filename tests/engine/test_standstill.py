from __future__ import annotations

import pytest

from tests.engine.play import LATER, again, heard
from wflow.engine.decisions import Park
from wflow.engine.facts import Fact, Moved, Opened
from wflow.engine.standstill import Standstill
from wflow.engine.status import COMPLETE, ERRORED, PAUSED, PAUSING, QUEUED, RUNNING, TERMINATED, WAITING
from wflow.engine.steps.sleep import Sleep


def stood(*moves: tuple[str, int]) -> list[int]:
    """Tell how long each of these moves ended a standstill."""
    standstill = Standstill()
    return [standstill.moved(Moved(status, at)) for status, at in moves]


def test_a_pause_lasts_from_when_it_began_until_the_next_move():
    moves = ((RUNNING, 1), (PAUSING, 5), (PAUSED, 10), (QUEUED, 25), (RUNNING, 30), (WAITING, 40))
    assert stood(*moves) == [0, 0, 0, 15, 0, 0]


def test_resting_is_no_standstill():
    assert stood((RUNNING, 1), (WAITING, 5), (RUNNING, 100)) == [0, 0, 0]


@pytest.mark.parametrize("over", [COMPLETE, ERRORED, TERMINATED])
def test_an_instance_that_is_over_stands_still_until_it_is_restarted(over):
    assert stood((over, 10), (QUEUED, 30)) == [0, 20]
    assert stood((PAUSED, 10), (over, 20), (QUEUED, 30)) == [0, 0, 20]


def test_one_pause_after_the_other_is_one_standstill():
    assert stood((PAUSED, 10), (PAUSED, 20), (RUNNING, 30)) == [0, 0, 20]


def test_a_clock_that_went_back_makes_no_time():
    assert stood((PAUSED, 10), (QUEUED, 5)) == [0, 0]


NAP: list[Fact] = [Opened("nap-1", "sleep", 0, detail={"duration": 1_000}, order=1), Moved(PAUSED, 400)]


def test_a_pause_counts_once_over_any_number_of_lives():
    journal = [*NAP, Moved(QUEUED, 5_400), Moved(RUNNING, 5_500), Moved(WAITING, 5_600)]
    for life in range(3):
        machine = again(*journal)
        machine.move(Moved(RUNNING, 5_700 + life))
        machine.open(Sleep("nap", 1_000), 5_700)
        assert heard(machine) == []
        assert machine.decide("nap-1", 5_700) == Park(6_000)
        journal += machine.take()


def test_an_instance_that_is_claimed_out_of_its_pause_stands_still_until_its_holder_moves_it():
    machine = again(*NAP)
    machine.move(Moved(RUNNING, 5_400))
    machine.open(Sleep("nap", 1_000), 5_400)
    machine.open(Sleep("late", 1_000), 5_400)
    assert machine.decide("nap-1", 5_400) == Park(6_000)
    assert machine.decide("late-1", 5_400) == Park(6_400)
    machine.announce(["late-1"])
    replay = again(*NAP, *machine.take())
    replay.open(Sleep("nap", 1_000), LATER)
    replay.open(Sleep("late", 1_000), LATER)
    assert [replay.decide(key, 5_400) for key in ("nap-1", "late-1")] == [Park(6_000), Park(6_400)]
