from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.play import LATER, OK, again, done, heard
from wflow.engine.facts import Logged, Opened, Settled
from wflow.engine.machine import Machine
from wflow.engine.seen import Seen
from wflow.engine.steps.do import Do
from wflow.engine.steps.poll import Poll
from wflow.engine.steps.rollback import Rollback
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import NonDeterminismError, TooMany

if TYPE_CHECKING:
    from wflow.engine.steps import Step

PAID = WaitForEvent("wait", "paid", LATER)

# -- keys -------------------------------------------------------------------------------------------------


def test_a_step_is_known_by_its_name_and_the_visit():
    machine = Machine()
    steps: list[Step] = [
        *(Do("charge"), Do("charge"), Sleep("charge")),
        *(Do("refund"), Do("charge-1"), Do("charge")),
    ]
    assert [machine.open(step, 0) for step in steps] == [
        "charge-1",
        "charge-2",
        "charge-3",
        "refund-1",
        "charge-1-1",
        "charge-4",
    ]


def test_visits_count_the_same_in_a_replay():
    first = Machine()
    for _ in range(2):
        done(first, first.open(Do("charge"), 0))
    replay = again(*first.take())
    assert [replay.open(Do("charge"), 0) for _ in range(3)] == ["charge-1", "charge-2", "charge-3"]
    assert heard(replay) == ["charge-1", "charge-2"]
    assert replay.undecided() == ["charge-3"]


def test_the_next_key_of_a_name_is_known_before_it_is_asked_for():
    machine = Machine()
    assert machine.upcoming("charge") == "charge-1"
    assert machine.open(Do("charge"), 0) == "charge-1"
    assert (machine.upcoming("charge"), machine.upcoming("refund")) == ("charge-2", "refund-1")


def test_a_rollback_is_no_visit_of_its_step():
    machine = Machine()
    assert machine.open(Do("charge"), 0) == "charge-1"
    assert machine.open(Rollback("rollback:charge-1"), 0) == "rollback:charge-1"
    assert machine.upcoming("charge") == "charge-2"


# -- the order --------------------------------------------------------------------------------------------


def test_every_step_has_its_place_in_the_order_in_which_the_code_asked():
    machine = Machine()
    for step in (Do("a"), Sleep("nap", 5), PAID, Do("a"), Rollback("rollback:a-1")):
        machine.open(step, 0)
    done(machine, "a-2")
    machine.announce(["nap-1"])
    machine.decide("nap-1", 5)
    machine.announce(["a-1", "wait-1", "rollback:a-1"])
    told = [(fact.key, fact.order) for fact in machine.take() if isinstance(fact, (Opened, Settled))]
    assert told == [("a-2", 4), ("nap-1", 2), ("nap-1", 2), ("a-1", 1), ("wait-1", 3), ("rollback:a-1", 5)]
    assert machine.order == 5


def test_the_place_is_the_same_in_a_replay():
    first = Machine()
    for name in "abc":
        first.open(Do(name), 0)
    done(first, "b-1")
    replay = again(*first.take())
    for name in "abc":
        replay.open(Do(name), 0)
    assert heard(replay) == ["b-1"]
    done(replay, "c-1")
    (told,) = replay.take()
    assert isinstance(told, Settled)
    assert told.order == 3


def test_a_line_of_the_log_has_the_place_that_the_code_was_at():
    machine = Machine()
    machine.open(Do("a"), 0)
    machine.log(Logged("info", "after one", 0, order=machine.order))
    assert [fact.order for fact in machine.take() if isinstance(fact, Logged)] == [1]


# -- the limit --------------------------------------------------------------------------------------------


def test_a_step_over_the_limit_is_refused_and_sleeps_waits_and_rollbacks_do_not_count():
    machine = Machine(step_limit=2)
    for step in (Do("a"), Sleep("nap"), PAID, Poll("ready", 1, 2), Rollback("rollback:a-1"), Sleep("nap")):
        machine.open(step, 0)
    for step in (Do("a"), Poll("ready", 1, 2)):
        with pytest.raises(TooMany, match="The limit of 2 steps has been reached") as refused:
            machine.open(step, 0)
        assert refused.value.hint is not None
    assert machine.open(Rollback("rollback:ready-1"), 0) == "rollback:ready-1"
    assert machine.open(Sleep("a"), 0) == "a-2"


def test_a_step_that_was_refused_has_neither_a_key_nor_a_place():
    first = Machine(step_limit=1)
    done(first, first.open(Do("a"), 0))
    for _ in range(3):
        with pytest.raises(TooMany):
            first.open(Do("a"), 0)
    assert (first.order, first.upcoming("a")) == (1, "a-2")
    first.open(Sleep("nap"), 0)
    first.announce(["nap-1"])
    replay = again(*first.take(), step_limit=1)
    assert replay.open(Do("a"), 0) == "a-1"
    assert replay.next(LATER) == Seen("a-1", OK, 0)
    with pytest.raises(TooMany):
        replay.open(Do("a"), 0)
    assert replay.open(Sleep("nap"), 0) == "nap-1"
    assert (replay.order, replay.next(LATER)) == (2, None)


def test_the_limit_counts_the_steps_of_a_replay_too():
    first = Machine()
    done(first, first.open(Do("a"), 0))
    replay = again(*first.take(), step_limit=1)
    replay.open(Do("a"), 0)
    with pytest.raises(TooMany):
        replay.open(Do("b"), 0)


def test_a_step_that_contradicts_the_journal_makes_nothing_that_could_be_kept():
    machine = again(Settled("a-1", "do", 5, OK, b"12345678", 0, 1, 0, order=1))
    with pytest.raises(NonDeterminismError):
        machine.open(Sleep("a"), 0)
    assert (machine.take(), machine.undecided(), machine.seq) == ([], [], 1)
