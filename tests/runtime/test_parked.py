"""What waits, by when it is due and by what it awaits."""

from __future__ import annotations

import asyncio

from wflow.engine.decisions import Park
from wflow.runtime.clock import now
from wflow.runtime.parked import SLACK, Alarm, Parked


def parked_of(**until):
    parked = Parked()
    for key, at in until.items():
        parked.add(key, Park(at))
    return parked


def test_those_whose_time_has_come_are_taken_out_in_order():
    parked = parked_of(c=30, a=10, b=20, d=40)
    assert parked.until() == 10
    assert parked.due(9) == []
    assert parked.due(30) == ["a", "b", "c"]
    assert list(parked) == ["d"]
    assert parked.until() == 40


def test_of_two_due_at_one_instant_the_first_to_come_is_first():
    assert parked_of(z=5, a=5, m=5).due(5) == ["z", "a", "m"]


def test_one_that_waits_anew_is_due_at_its_new_time_only():
    parked = parked_of(a=10, b=20)
    parked.add("a", Park(30))
    assert parked.due(20) == ["b"]
    assert parked.due(30) == ["a"]
    assert parked.until() is None


def test_one_that_is_removed_is_not_due():
    parked = parked_of(a=10, b=20)
    parked.remove("a")
    parked.remove("a")
    assert "a" not in parked
    assert parked.until() == 20
    assert parked.due(100) == ["b"]
    assert len(parked) == 0


def test_those_that_await_an_event_keep_their_order_when_they_are_decided_again():
    parked = Parked()
    for key in ("first", "second", "third"):
        parked.add(key, Park(100, "paid"))
    parked.add("other", Park(50, "begun"))
    parked.add("first", Park(100, "paid"))
    assert parked.awaiting("paid") == ["first", "second", "third"]
    assert parked.awaits() == ["begun", "paid"]
    parked.remove("other")
    assert parked.awaits() == ["paid"]


def test_the_queue_does_not_grow_with_steps_that_are_gone():
    parked = parked_of(stays=10**9)
    for n in range(10_000):
        parked.add(f"timer-{n}", Park(10**6 + n))
        parked.remove(f"timer-{n}")
    assert len(parked._queue) <= SLACK + 3
    assert parked.until() == 10**9


def test_an_alarm_rings_once_at_the_last_instant_it_was_set_to():
    rung = []

    async def code():
        alarm = Alarm(lambda: rung.append(now()))
        begun = now()
        alarm.set(begun + 10_000)
        alarm.set(begun + 15)
        alarm.set(begun + 15)
        await asyncio.sleep(0.05)
        alarm.set(now() - 100)
        await asyncio.sleep(0.005)
        alarm.set(now() + 5)
        alarm.set(None)
        await asyncio.sleep(0.01)
        return begun

    begun = asyncio.run(code())
    first, second = rung
    assert first - begun >= 14
    assert second > first
