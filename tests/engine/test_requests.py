"""What an instance is asked, by way of its journal."""

from __future__ import annotations

import pytest

from tests.engine.play import BOOM, LATER, OK, again, done, heard
from wflow.engine import names
from wflow.engine.decisions import Run
from wflow.engine.facts import Fact, Moved, Opened, Received, Settled, Tried
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err
from wflow.engine.requests import CANCEL, CHILD, ROLL_BACK, is_request
from wflow.engine.seen import Asked, Seen, Undo
from wflow.engine.steps.do import Do
from wflow.engine.steps.rollback import Rollback
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import InvalidInput, NonDeterminismError

UNDO_A = Rollback("rollback:a-1")


def asks(number: int, type_: str = CANCEL, *, at: int = 0) -> Received:
    """Make a request, as it comes in."""
    return Received(number, type_, b"\xc0", at, at)


def test_nobody_can_send_a_request():
    for type_ in (CANCEL, ROLL_BACK, CHILD + "a-1"):
        with pytest.raises(InvalidInput):
            names.event_type(type_)


def test_what_a_child_tells_is_an_event_like_any_other():
    assert [is_request(type_) for type_ in (CANCEL, ROLL_BACK, CHILD + "a-1", "cancel")] == [
        True,
        True,
        False,
        False,
    ]


# -- its place among the outcomes -------------------------------------------------------------------------


@pytest.mark.parametrize("type_", [CANCEL, ROLL_BACK])
def test_a_request_is_heard_when_it_is_durable_and_after_the_outcomes_before_it(type_):
    machine = Machine()
    for name in "ab":
        machine.open(Do(name), 0)
    done(machine, "a-1")
    assert machine.receive(asks(1, type_, at=7))
    done(machine, "b-1")
    assert machine.next(1) == Seen("a-1", OK, 0)
    assert machine.next(1) is None
    told = [(machine.asked, machine.next(3)) for _ in range(2)]
    assert told == [(True, Asked(type_, 7)), (False, Seen("b-1", OK, 0))]


@pytest.mark.parametrize("type_", [CANCEL, ROLL_BACK])
def test_a_replay_hears_of_it_at_the_same_place(type_):
    first = Machine()
    for name in "abc":
        first.open(Do(name), 0)
    done(first, "b-1")
    first.receive(asks(1, type_))
    done(first, "a-1")
    replay = again(*first.take())
    for name in "abc":
        replay.open(Do(name), 0)
    assert (replay.asked, replay.replaying) == (True, True)
    assert heard(replay) == ["b-1", type_, "a-1"]
    assert (replay.asked, replay.replaying, replay.take()) == (False, False, [])


def test_one_that_comes_in_the_middle_of_a_replay_waits_for_its_end():
    first = Machine()
    for name in "ab":
        done(first, first.open(Do(name), 0))
    replay = again(*first.take())
    replay.open(Do("a"), 0)
    assert replay.next(2) == Seen("a-1", OK, 0)
    assert replay.receive(asks(1))
    assert (replay.asked, replay.replaying) == (True, True)
    replay.open(Do("b"), 0)
    assert replay.next(2) == Seen("b-1", OK, 0)
    assert (replay.next(2), replay.replaying, replay.asked) == (None, False, True)
    assert replay.next(3) == Asked(CANCEL, 0)


def test_no_step_consumes_a_request_whatever_it_awaits():
    machine = Machine()
    machine.open(WaitForEvent("wait", CANCEL, 10), 0)
    machine.receive(asks(1))
    assert machine.decide("wait-1", 10) != Run(1, 10)
    assert heard(machine) == [CANCEL, "wait-1"]
    assert [fact.event for fact in machine.take() if isinstance(fact, Settled)] == [None]


def test_it_tells_how_far_the_code_was_when_it_came_in():
    machine = Machine()
    machine.open(Do("a"), 0)
    machine.receive(asks(1))
    machine.receive(Received(2, "paid", b"", 0, 0))
    assert [fact.order for fact in machine.take() if isinstance(fact, Received)] == [1, 0]
    assert heard(machine) == [CANCEL]
    machine.open(Do("b"), 0)
    machine.receive(asks(3))
    assert [fact.order for fact in machine.take() if isinstance(fact, Received)] == [2], (
        "also of a second one"
    )
    replay = again(Settled("a-1", "do", 5, OK, order=1))
    replay.receive(asks(1))
    replay.open(Do("a"), 0)
    assert heard(replay, 1) == ["a-1"]
    replay.open(Do("b"), 0)
    assert [fact.order for fact in replay.take() if isinstance(fact, Received)] == [2]


# -- twice ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2])
def test_the_code_hears_of_it_once_whether_it_was_delivered_or_made_twice(number):
    machine = Machine()
    assert machine.receive(asks(1))
    assert machine.receive(asks(number)) is (number == 2)
    assert heard(machine) == [CANCEL]
    assert not machine.receive(asks(number))
    assert machine.receive(asks(3)), "it is received all the same: so it does not come again"
    assert (machine.asked, machine.awaiting) == (False, False)
    replay = again(*machine.take())
    assert heard(replay) == [CANCEL]
    assert not replay.receive(asks(3))
    assert replay.receive(asks(4))
    assert (replay.asked, heard(replay)) == (False, [])


def test_one_of_another_kind_is_heard_as_well():
    machine = Machine()
    machine.receive(asks(1, ROLL_BACK))
    machine.receive(asks(2, CANCEL))
    machine.receive(asks(3, ROLL_BACK))
    assert heard(machine) == [ROLL_BACK, CANCEL]


# -- undoing ----------------------------------------------------------------------------------------------


def test_steps_are_undone_when_that_is_durable_and_what_was_before_it_is_heard():
    machine = Machine()
    for name in "ab":
        machine.open(Do(name), 0)
    done(machine, "a-1")
    machine.roll_back(BOOM.failure, 5)
    assert machine.rolling_back
    assert machine.next(1) == Seen("a-1", OK, 0)
    assert machine.next(1) is None
    assert machine.next(2) == Undo(5, BOOM.failure)
    assert machine.take()[-1] == Moved("rollingBack", 5, failure=BOOM.failure)


def test_it_is_said_once_that_they_are_to_be_undone():
    machine = Machine()
    machine.roll_back(BOOM.failure, 5)
    machine.roll_back(None, 6)
    assert heard(machine) == ["undo"]
    journal = machine.take()
    replay = again(*journal, Moved("rollingBack", 7))
    assert replay.rolling_back
    replay.roll_back(None, 8)
    assert replay.next(LATER) == Undo(5, BOOM.failure)
    assert (replay.next(LATER), replay.take()) == (None, [])


def test_the_claims_of_an_instance_that_rolls_back_move_it_and_undo_nothing_again():
    machine = Machine()
    machine.roll_back(None, 5)
    journal = [*machine.take(), Moved("rollingBack", 6), Moved("rollingBack", 7)]
    assert heard(again(*journal)) == ["undo"]


def rolled_back() -> list[Fact]:
    """Make the journal of an instance that was told to roll back while `b` was under way."""
    return [
        Settled("a-1", "do", 1, OK, detail={"rollback": True}, order=1),
        Opened("b-1", "do", 1, detail={"rollback": True}, order=2),
        Tried("b-1", 1, 1),
        asks(1, ROLL_BACK),
        Moved("rollingBack", 2),
    ]


def test_a_replay_tells_which_steps_are_to_be_undone_and_in_which_order_they_began():
    assert again(*rolled_back()).undoable == {"a-1": 1, "b-1": 2}


def test_nothing_but_rollbacks_begins_once_steps_are_to_be_undone():
    machine = Machine()
    machine.open(Do("a"), 0)
    machine.open(WaitForEvent("x", "paid"), 0)
    machine.open(WaitForEvent("y", "paid"), 0)
    machine.receive(Received(9, "paid", b"", 0, 0))
    assert machine.undecided() == ["a-1", "x-1", "y-1"]
    machine.decide("x-1", 0)
    machine.open(Do("late"), 0)
    machine.roll_back(None, 1)
    machine.open(Do("later"), 0)
    assert machine.undecided() == []
    machine.close("x-1")
    assert machine.undecided() == [], "an event that was given back wakes nobody any more"
    assert heard(machine) == ["undo"]
    machine.open(UNDO_A, 0)
    assert machine.undecided() == ["rollback:a-1"]


def test_nothing_but_rollbacks_begins_in_a_replay_either():
    replay = again(*rolled_back())
    replay.open(Do("a"), 0)
    assert replay.next(LATER) == Seen("a-1", OK, 1)
    replay.open(Do("b"), 0)
    replay.open(Sleep("nap"), 0)
    assert heard(replay) == [ROLL_BACK, "undo"]
    replay.open(Rollback("rollback:b-1"), 0)
    assert replay.undecided() == ["rollback:b-1"]
    done(replay, "rollback:b-1")
    replay.open(UNDO_A, 0)
    assert heard(replay) == ["rollback:b-1"]
    assert replay.undecided() == ["rollback:a-1"]


def test_rollbacks_that_are_recorded_are_not_made_again():
    journal = [
        *rolled_back(),
        Settled("rollback:b-1", "rollback", 3, OK, order=3),
        Opened("rollback:a-1", "rollback", 3, order=4),
    ]
    replay = again(*journal)
    for name in "ab":
        replay.open(Do(name), 0)
    assert [type(replay.next(LATER)) for _ in range(3)] == [Seen, Asked, Undo]
    assert replay.replaying
    replay.open(Rollback("rollback:b-1"), 0)
    assert replay.next(LATER) == Seen("rollback:b-1", OK, 3)
    replay.open(UNDO_A, 0)
    assert replay.next(LATER) is None
    assert (replay.undecided(), replay.replaying) == (["rollback:a-1"], False)


def test_a_rollback_that_is_recorded_and_not_asked_for_is_a_divergence():
    replay = again(*rolled_back(), Opened("rollback:b-1", "rollback", 3, order=3))
    for name in "ab":
        replay.open(Do(name), 0)
    with pytest.raises(NonDeterminismError, match="has step 'rollback:b-1' \\(rollback\\) under way"):
        heard(replay)


def test_a_step_that_is_left_in_the_middle_is_known_to_have_begun():
    machine = Machine()
    for name in "abc":
        machine.open(Do(name, undoable=True), 0)
    machine.begin("a-1", 1, 0)
    done(machine, "b-1")
    assert [machine.began(key) for key in ("a-1", "b-1", "c-1", "d-1")] == [True, True, False, False]
    assert [machine.outcome(key) for key in ("a-1", "b-1", "d-1")] == [None, OK, None]
    machine.announce(["a-1", "c-1"])
    machine.close("a-1")
    machine.close("c-1")
    replay = again(*machine.take())
    for name in "abc":
        replay.open(Do(name, undoable=True), 0)
    assert [replay.began(key) for key in ("a-1", "b-1", "c-1")] == [True, True, False]
    assert replay.outcome("b-1") == OK
    assert heard(replay) == ["b-1"]
    assert not replay.began("b-1"), "the code has heard of its end"


def test_an_attempt_that_ends_after_its_step_was_given_up_is_none_of_the_instances():
    machine = Machine()
    machine.open(Do("a", undoable=True), 0)
    machine.begin("a-1", 1, 0)
    machine.close("a-1")
    machine.roll_back(None, 1)
    assert machine.report("a-1", Err(BOOM.failure), 2) == BOOM
    assert machine.take() == [Moved("rollingBack", 1)]
