from __future__ import annotations

from tests.engine.play import OK
from wflow.engine.facts import Moved, Received, Settled
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.engine.unheard import Unheard

A, B = (Settled(key, "do", 5, OK) for key in ("a-1", "b-1"))
FIRST, SECOND = (Received(number, CANCEL, b"", 0, 0) for number in (1, 2))
OTHER = Received(3, ROLL_BACK, b"", 0, 0)
UNDO = Moved("rollingBack", 7)


def test_what_is_not_durable_holds_back_all_that_comes_after_it():
    unheard = Unheard()
    unheard.add(A, 3)
    unheard.ask(FIRST, 4)
    unheard.add(UNDO, 5)
    unheard.add(B, 6)
    assert unheard.next(2) is None
    assert [unheard.next(4) for _ in range(3)] == [A, FIRST, None]
    assert [unheard.next(9) for _ in range(3)] == [UNDO, B, None]
    assert not unheard.facts


def test_what_is_of_the_journal_is_replayed_and_durable():
    unheard = Unheard()
    unheard.record(A)
    unheard.record(FIRST)
    unheard.add(B, 3)
    told = [(unheard.recorded, unheard.next(0)) for _ in range(3)]
    assert told == [(2, A), (1, FIRST), (0, None)]
    assert unheard.facts


def test_the_code_is_asked_from_when_a_request_comes_until_it_hears_of_it():
    unheard = Unheard()
    unheard.add(A, 1)
    assert unheard.asked == 0
    unheard.ask(FIRST, 2)
    unheard.ask(OTHER, 3)
    asked = []
    while unheard.next(9) is not None:
        asked.append(unheard.asked)
    assert asked == [2, 1, 0]


def test_of_requests_of_a_type_only_the_first_is_heard():
    unheard = Unheard()
    unheard.record(FIRST)
    unheard.record(SECOND)
    unheard.ask(SECOND, 5)
    assert [unheard.next(9), unheard.next(9)] == [FIRST, None]
    unheard.ask(SECOND, 6)
    assert (unheard.asked, unheard.recorded, bool(unheard.facts)) == (0, 0, False)


def test_the_outcome_of_a_step_that_was_given_up_is_passed_over_once():
    unheard = Unheard()
    unheard.record(A)
    unheard.record(B)
    unheard.close("a-1")
    assert [unheard.next(0), unheard.next(0)] == [B, None]
    assert unheard.recorded == 0
    unheard.add(A, 1)
    assert unheard.next(1) == A
