"""Which of the steps that wait gets which event."""

from __future__ import annotations

import pytest

from tests.engine.play import LATER, again, event, heard
from wflow.engine.decisions import Park, Settle
from wflow.engine.facts import Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import Ok
from wflow.engine.seen import Seen
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent

PAID = WaitForEvent("wait", "paid", LATER)


def test_events_of_a_type_are_first_in_first_out():
    machine = Machine()
    for number, type_ in ((1, "paid"), (2, "shipped"), (3, "paid")):
        assert machine.receive(event(number, type_))
    for name, number in (("a", 1), ("b", 3)):
        key = machine.open(WaitForEvent(name, "paid"), 0)
        machine.decide(key, 0)
        assert machine.next(LATER) == Seen(key, Ok(), 0, event(number))


def test_a_delivery_that_comes_twice_is_received_once():
    machine = Machine()
    assert machine.receive(event(1))
    assert not machine.receive(event(1))
    replay = again(*machine.take())
    assert not replay.receive(event(1))
    replay.open(PAID, 0)
    replay.decide("wait-1", 0)
    assert replay.next(LATER) == Seen("wait-1", Ok(), 0, event(1))
    assert not replay.receive(event(1))


@pytest.mark.parametrize("order", [("a-1", "b-1"), ("b-1", "a-1")])
def test_of_two_waiters_the_first_opened_is_served_first_whoever_is_asked_first(order):
    machine = Machine()
    machine.open(WaitForEvent("a", "paid", LATER), 0)
    machine.open(WaitForEvent("b", "paid", 5), 0)
    machine.receive(event(1))
    decisions = {key: machine.decide(key, 1) for key in order}
    assert decisions == {"a-1": Settle(Ok()), "b-1": Park(5, "paid")}
    machine.receive(event(2))
    assert machine.decide("b-1", 2) == Settle(Ok())


def test_each_of_two_waiters_has_its_event_when_both_are_there():
    machine = Machine()
    machine.open(WaitForEvent("a", "paid"), 0)
    machine.open(WaitForEvent("b", "paid"), 0)
    machine.receive(event(1))
    machine.receive(event(2))
    machine.decide("b-1", 0)
    machine.decide("a-1", 0)
    assert [(fact.key, fact.event) for fact in machine.take() if isinstance(fact, Settled)] == [
        ("b-1", 2),
        ("a-1", 1),
    ]


def test_a_waiter_that_timed_out_swallows_nothing():
    machine = Machine()
    machine.open(WaitForEvent("a", "paid", 10), 0)
    machine.open(WaitForEvent("b", "paid", LATER), 0)
    machine.receive(event(1, at=11))
    assert machine.decide("b-1", 12) == Settle(Ok())
    assert machine.decide("a-1", 12) != Settle(Ok())
    told = {fact.key: fact.event for fact in machine.take() if isinstance(fact, Settled)}
    assert told == {"a-1": None, "b-1": 1}


def test_an_event_after_a_timeout_goes_to_the_next_wait_also_after_a_restart():
    machine = Machine()
    machine.open(WaitForEvent("wait", "paid", 10), 0)
    machine.receive(event(1, at=11))
    machine.decide("wait-1", 12)
    replay = again(*machine.take())
    replay.open(WaitForEvent("wait", "paid", 10), 0)
    assert heard(replay) == ["wait-1"]
    replay.open(WaitForEvent("wait", "paid", LATER), 13)
    replay.decide("wait-2", 13)
    assert replay.next(LATER) == Seen("wait-2", Ok(), 13, event(1, at=11))


def test_an_event_is_consumed_once_also_after_a_restart():
    machine = Machine()
    machine.receive(event(1))
    machine.open(PAID, 0)
    machine.decide("wait-1", 0)
    replay = again(*machine.take())
    replay.open(PAID, 0)
    replay.open(PAID, 0)
    assert replay.next(LATER) == Seen("wait-1", Ok(), 0, event(1))
    assert replay.decide("wait-2", 0) == Park(LATER, "paid")


# -- waits that the code gives up -------------------------------------------------------------------------


def test_a_closed_wait_leaves_its_place_to_the_next():
    machine = Machine()
    machine.open(WaitForEvent("a", "paid"), 0)
    machine.open(WaitForEvent("b", "paid"), 0)
    machine.close("a-1")
    machine.receive(event(1))
    assert machine.decide("b-1", 0) == Settle(Ok())


def race_lost_by_a_wait() -> Machine:
    """A timer and an event come at once, the timer first: the code sees it, and gives the wait up."""
    machine = Machine()
    machine.open(Sleep("timer", 10), 0)
    machine.open(PAID, 0)
    machine.receive(event(1, at=9))
    machine.receive(event(2, at=9))
    machine.decide("timer-1", 10)
    machine.decide("wait-1", 10)
    assert machine.next(LATER) == Seen("timer-1", Ok(), 10)
    machine.close("wait-1")
    assert machine.next(LATER) is None
    return machine


def test_an_event_that_a_closed_wait_had_taken_goes_to_the_next_wait():
    machine = race_lost_by_a_wait()
    for number in (1, 2):
        key = machine.open(PAID, 20)
        machine.decide(key, 20)
        assert machine.next(LATER) == Seen(key, Ok(), 20, event(number, at=9))


def test_an_event_that_a_closed_wait_had_taken_is_given_once_in_a_replay():
    first = race_lost_by_a_wait()
    first.decide(first.open(PAID, 20), 20)
    replay = again(*first.take())
    replay.open(Sleep("timer", 10), 0)
    replay.open(PAID, 0)
    assert replay.next(LATER) == Seen("timer-1", Ok(), 10)
    replay.close("wait-1")
    replay.open(PAID, 20)
    assert replay.next(LATER) == Seen("wait-2", Ok(), 20, event(1, at=9))
    assert replay.next(LATER) is None
    replay.decide(replay.open(PAID, 30), 30)
    assert replay.next(LATER) == Seen("wait-3", Ok(), 30, event(2, at=9))


def test_a_wait_that_is_parked_already_is_asked_again_when_an_event_is_given_back():
    machine = Machine()
    machine.open(WaitForEvent("a", "paid"), 0)
    machine.open(WaitForEvent("b", "paid"), 0)
    assert machine.undecided() == ["a-1", "b-1"]
    machine.receive(event(1))
    machine.decide("a-1", 0)
    assert machine.decide("b-1", 0) == Park(24 * 60 * 60 * 1000, "paid")
    machine.close("a-1")
    assert machine.undecided() == ["b-1"]
    assert machine.decide("b-1", 1) == Settle(Ok())


def test_a_wait_that_was_served_since_is_not_asked_again():
    machine = Machine()
    machine.open(WaitForEvent("a", "paid"), 0)
    machine.open(WaitForEvent("b", "paid"), 0)
    machine.undecided()
    machine.receive(event(1))
    machine.decide("a-1", 0)
    machine.close("a-1")
    machine.decide("b-1", 1)
    assert machine.undecided() == []
