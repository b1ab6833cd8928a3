from __future__ import annotations

import pytest

from tests.engine.play import OK, again, done, event, heard
from wflow.engine.facts import Fact, Moved, Opened, Settled
from wflow.engine.outcome import Ok
from wflow.engine.requests import CANCEL
from wflow.engine.seen import Seen
from wflow.engine.status import PAUSED, QUEUED
from wflow.engine.steps.do import Do
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import NonDeterminismError


def settled(key: str, order: int, *, digest: bytes = b"") -> Settled:
    return Settled(key, "do", order, Ok(key.encode()), digest, order=order)


def accepted(*keys: str, through: int = 0) -> list[Fact]:
    return [Moved(PAUSED, 8), Moved(QUEUED, 9, detail={"accepted": dict.fromkeys(keys, through)})]


JOURNAL: list[Fact] = [settled("a-1", 1), settled("b-1", 2), settled("c-1", 3)]


def test_an_accepted_outcome_that_nobody_asks_for_is_passed_over():
    machine = again(*JOURNAL, *accepted("b-1"))
    machine.open(Do("a"), 0)
    assert machine.next(9) == Seen("a-1", Ok(b"a-1"), 1)
    machine.open(Do("c"), 0)
    assert heard(machine) == ["c-1"]
    assert not machine.replaying


def test_an_accepted_outcome_is_handed_out_once_the_code_asks_for_it_before_what_comes_later():
    machine = again(*JOURNAL, *accepted("a-1"))
    machine.open(Do("b"), 0)
    assert machine.next(9) == Seen("b-1", Ok(b"b-1"), 2)
    machine.open(Do("c"), 0)
    machine.open(Do("a"), 0)
    assert heard(machine) == ["a-1", "c-1"]
    assert machine.undecided() == [], "it is not run again"


def test_an_accepted_outcome_that_is_asked_for_in_time_is_as_any_other():
    machine = again(*JOURNAL, *accepted("b-1"))
    for name in "abc":
        machine.open(Do(name), 0)
    assert heard(machine) == ["a-1", "b-1", "c-1"]


def test_an_accepted_outcome_waits_for_the_code_even_beyond_the_journal():
    machine = again(settled("a-1", 1), *accepted("a-1"))
    done(machine, machine.open(Do("b"), 0))
    machine.take()
    assert heard(machine) == ["b-1"]
    machine.open(Do("a"), 0)
    assert machine.awaiting
    assert heard(machine) == ["a-1"]
    assert not machine.awaiting


def test_a_later_replay_hears_it_in_the_same_place():
    first = again(settled("a-1", 1), *accepted("a-1"))
    done(first, first.open(Do("b"), 0))
    tail = first.take()
    machine = again(settled("a-1", 1), *accepted("a-1"), *tail)
    machine.open(Do("b"), 0)
    assert heard(machine) == ["b-1"]
    machine.open(Do("a"), 0)
    assert heard(machine) == ["a-1"]


def test_an_accepted_outcome_that_was_asked_for_and_given_up_is_never_heard():
    machine = again(settled("a-1", 1), settled("b-1", 2), *accepted("a-1", "b-1"))
    assert heard(machine) == []
    machine.open(Do("b"), 0)
    machine.open(Do("a"), 0)
    machine.close("a-1")
    assert heard(machine) == ["b-1"]


def test_the_arguments_of_an_accepted_step_are_not_compared_but_its_kind_is():
    journal: list[Fact] = [settled("a-1", 1, digest=b"x"), *accepted("a-1")]
    machine = again(*journal)
    machine.open(Do("a"), 0, b"y")
    assert heard(machine) == ["a-1"]
    with pytest.raises(NonDeterminismError, match="recorded as do, and the code asks for sleep"):
        again(*journal).open(Sleep("a", 1), 0)


def test_an_accepted_step_under_way_need_not_be_asked_for():
    journal: list[Fact] = [Opened("nap-1", "sleep", 0, detail={"duration": 5}), *accepted("nap-1")]
    machine = again(*journal)
    assert heard(machine) == []
    assert machine.patched("after it", 0), "nothing is left of the journal"


def test_an_accepted_step_under_way_that_is_asked_for_goes_on_where_it_was():
    machine = again(Opened("nap-1", "sleep", 10, detail={"duration": 5}), *accepted("nap-1"))
    assert heard(machine) == []
    machine.open(Sleep("nap", 5), 100)
    assert machine.undecided() == ["nap-1"]
    machine.decide("nap-1", 100)
    assert [type(fact).__name__ for fact in machine.take()] == ["Settled"]


def test_what_is_recorded_after_it_was_accepted_has_to_fit_again():
    journal: list[Fact] = [settled("a-1", 1), *accepted("b-1"), settled("b-1", 2)]
    machine = again(*journal)
    machine.open(Do("a"), 0)
    with pytest.raises(NonDeterminismError, match="'b-1'"):
        heard(machine)


def test_an_accepted_wait_keeps_the_event_that_it_consumed_for_itself():
    sent = event(7)
    wait = Settled("wait-1", "waitForEvent", 1, OK, event=7, order=1)
    machine = again(sent, wait, *accepted("wait-1"))
    machine.open(WaitForEvent("other", "paid", 100), 0)
    assert heard(machine) == []
    machine.open(WaitForEvent("wait", "paid", 100), 0)
    assert machine.next(9) == Seen("wait-1", OK, 1, sent)


def test_code_that_was_accepted_with_a_new_step_may_come_later_to_what_follows():
    journal: list[Fact] = [*JOURNAL, Opened("nap-1", "sleep", 4, detail={"duration": 5}, order=4)]
    machine = again(*journal, *accepted("a-1", through=1))
    machine.open(Do("new"), 0)
    assert heard(machine) == []
    assert not machine.patched("v2", 0), "it has not come to where the journal ends"
    done(machine, "new-1")
    machine.take()
    assert machine.next(9) == Seen("new-1", OK, 0)
    machine.open(Do("b"), 0)
    assert machine.next(9) == Seen("b-1", Ok(b"b-1"), 2)
    machine.open(Do("c"), 0)
    machine.open(Sleep("nap", 5), 0)
    assert heard(machine) == ["c-1"]


def test_what_follows_has_to_be_asked_for_as_soon_as_the_new_step_is_over():
    machine = again(*JOURNAL, *accepted("a-1", through=1))
    machine.open(Do("new"), 0)
    assert heard(machine) == []
    done(machine, "new-1")
    machine.take()
    assert machine.next(9) == Seen("new-1", OK, 0)
    machine.open(Do("another"), 0)
    with pytest.raises(NonDeterminismError, match="the journal goes on with step 'b-1'") as caught:
        machine.next(9)
    assert caught.value.divergence.order == 2


def test_what_follows_is_compared_as_ever():
    machine = again(settled("a-1", 1), settled("b-1", 2, digest=b"x"), *accepted("a-1", through=1))
    machine.open(Do("new"), 0)
    assert heard(machine) == []
    with pytest.raises(NonDeterminismError, match="other arguments"):
        machine.open(Do("b"), 0, b"y")


def test_what_follows_is_told_once_more_when_another_new_step_was_not_accepted():
    machine = again(*JOURNAL, *accepted("a-1", through=1), settled("new-1", 5))
    machine.open(Do("new"), 0)
    assert machine.next(99) == Seen("new-1", Ok(b"new-1"), 5)
    machine.open(Do("another"), 0)
    with pytest.raises(NonDeterminismError, match="'b-1'"):
        machine.next(99)


def test_code_that_is_asked_to_leave_need_not_come_to_what_follows():
    machine = again(*JOURNAL, *accepted("a-1", through=1))
    machine.open(Do("new"), 0)
    assert heard(machine) == []
    machine.receive(event(7, CANCEL))
    machine.take()
    assert heard(machine) == [CANCEL]
    machine.close("new-1")
    machine.open(Do("cleanup"), 0)
    assert heard(machine) == []


def test_a_step_of_the_journal_that_is_asked_for_late_is_not_new():
    machine = again(*JOURNAL, *accepted("a-1", through=1))
    machine.open(Do("new"), 0)
    assert heard(machine) == []
    machine.open(Do("c"), 0)
    done(machine, "new-1")
    machine.take()
    assert machine.next(9) == Seen("c-1", Ok(b"c-1"), 3)
    assert machine.next(9) == Seen("new-1", OK, 0)
    with pytest.raises(NonDeterminismError, match="'b-1'") as caught:
        machine.next(9)
    assert caught.value.divergence.order == 0


def test_what_is_recorded_later_is_no_reason_to_wait():
    machine = again(settled("a-1", 1), *accepted("a-1", through=1), settled("b-1", 2))
    machine.open(Do("new"), 0)
    with pytest.raises(NonDeterminismError, match="'b-1'"):
        machine.next(99)


def test_requests_and_rollbacks_are_not_what_is_accepted():
    machine = again(settled("a-1", 1), event(3, ".cancel"), *accepted("a-1"))
    assert heard(machine) == [".cancel"]
