from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.play import event
from wflow.engine.events import Events

if TYPE_CHECKING:
    import pytest


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


def test_more_than_may_be_held_are_set_aside_in_their_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wflow.engine.names.EVENTS_BUFFERED", 2)
    events = Events()
    assert [events.admit(event(number), awaited=False) for number in (1, 2, 3)] == [True, True, False]
    assert not events.admit(event(3), awaited=False), "it may come again"
    assert not events.admit(event(1), awaited=False), "it is known"
    assert numbers(events) == [1, 2]
    assert not events.admit(event(4), awaited=True), "one before it is still aside"
    assert [each.event for each in events.set_aside("paid")] == [3, 4]
    assert list(events.set_aside("paid")) == []
    assert events.admit(event(3), awaited=True)


def test_what_is_awaited_and_what_children_tell_is_let_in_beyond_the_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wflow.engine.names.EVENTS_BUFFERED", 1)
    events = filled(1)
    assert events.admit(event(2, "shipped"), awaited=True)
    assert events.admit(event(3, ".child-a"), awaited=False)
    assert not events.admit(event(4, "other"), awaited=False)
