from __future__ import annotations

from tests.engine.play import event
from wflow.engine.events import Events


def numbers(events: Events, type_: str = "paid") -> list[int]:
    return [each.event for each in events.waiting(type_)]


def filled(*given: int) -> Events:
    events = Events()
    for number in given:
        assert events.add(event(number))
    return events


def test_events_wait_by_type_in_the_order_in_which_they_came():
    events = filled(3, 1)
    events.add(event(2, "shipped"))
    assert (numbers(events), numbers(events, "shipped"), numbers(events, "other")) == ([3, 1], [2], [])


def test_a_delivery_that_comes_twice_is_one_event_before_and_after_it_was_seen():
    events = filled(1)
    assert not events.add(event(1))
    events.take(1)
    assert not events.add(event(1))
    events.seen(1)
    assert not events.add(event(1))
    assert numbers(events) == []


def test_what_was_taken_waits_no_more():
    events = filled(1, 2)
    assert events.take(1) == event(1)
    assert numbers(events) == [2]
    assert events.seen(1) == event(1)
    assert numbers(events) == [2]


def test_what_is_given_back_waits_at_its_old_place():
    events = filled(1, 2, 3)
    events.take(1)
    events.take(2)
    events.give_back(2)
    assert numbers(events) == [2, 3]
    events.give_back(1)
    assert numbers(events) == [1, 2, 3]


def test_what_is_given_back_but_has_another_taker_in_the_journal_does_not_wait():
    events = filled(1)
    events.take(1)
    events.take(1)
    events.give_back(1)
    assert numbers(events) == []
    assert events.seen(1) == event(1)
