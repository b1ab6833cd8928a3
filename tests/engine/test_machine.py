from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.play import BOOM, LAST_STRAW, OK, event
from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.facts import (
    Fact,
    Failed,
    Logged,
    Moved,
    Opened,
    Received,
    Settled,
    Tried,
    decode,
    encode,
)
from wflow.engine.machine import Machine, Seen
from wflow.engine.outcome import FULL, Err, Ok
from wflow.engine.retry import Retry
from wflow.engine.steps.do import Do
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import NonDeterminismError, TooMany

if TYPE_CHECKING:
    from wflow.engine.steps import Step

LATER = 10**9
PAID = WaitForEvent("wait", "paid", LATER)


def again(*machines_facts: Fact, step_limit: int = 10_000) -> Machine:
    """Start another process on a journal, as it comes back from disk."""
    journal = [decode(encode(fact)) for fact in machines_facts]
    return Machine(journal, seq=len(journal), step_limit=step_limit)


def seen(machine: Machine, durable: int = LATER) -> list[str]:
    """Name the outcomes that the code sees in one go."""
    keys = []
    while (outcome := machine.next(durable)) is not None:
        keys.append(outcome.key)
    return keys


def done(machine: Machine, key: str, now: int = 0) -> None:
    """Let a step's first attempt succeed."""
    assert isinstance(machine.decide(key, now), Run)
    machine.begin(key, 1, now)
    machine.report(key, OK, now)


# -- identity ---------------------------------------------------------------------------------------------


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
    assert seen(replay) == ["charge-1", "charge-2"]
    assert replay.undecided() == ["charge-3"]


# -- the order of things ----------------------------------------------------------------------------------


def test_outcomes_are_seen_in_journal_order_each_when_it_is_durable():
    machine = Machine()
    for name in "abc":
        machine.open(Do(name), 0)
    for key in ("b-1", "c-1", "a-1"):
        done(machine, key, 5)
    assert len(machine.take()) == machine.seq == 3
    assert seen(machine, 0) == []
    assert machine.awaiting
    assert machine.next(1) == Seen("b-1", OK, 5)
    assert seen(machine, 1) == []
    assert seen(machine, 3) == ["c-1", "a-1"]
    assert not machine.awaiting


def test_a_replay_gives_the_outcomes_in_the_same_order():
    first = Machine()
    for name in "abc":
        first.open(Do(name), 0)
    for key in ("b-1", "c-1", "a-1"):
        done(first, key)
    replay = again(*first.take())
    assert replay.replaying
    for name in "abc":
        replay.open(Do(name), 0)
    assert seen(replay) == ["b-1", "c-1", "a-1"]
    assert (replay.replaying, replay.take(), replay.seq, replay.undecided()) == (False, [], 3, [])


def test_new_facts_are_numbered_on_from_the_journal():
    first = Machine()
    done(first, first.open(Do("a"), 0))
    replay = again(*first.take())
    replay.open(Do("a"), 0)
    replay.open(Do("b"), 0)
    assert seen(replay) == ["a-1"]
    done(replay, "b-1")
    assert replay.seq == 2
    assert replay.next(1) is None
    assert replay.next(2) == Seen("b-1", OK, 0)


def test_each_step_is_handed_out_for_its_first_decision_once():
    machine = Machine()
    machine.open(Do("a"), 0)
    machine.open(Do("b"), 0)
    assert machine.undecided() == ["a-1", "b-1"]
    assert machine.undecided() == []
    machine.open(Do("c"), 0)
    machine.close("c-1")
    assert machine.undecided() == []


def test_a_step_that_is_decided_again_is_settled_once():
    machine = Machine()
    key = machine.open(Sleep("nap"), 0)
    assert machine.decide(key, 0) == machine.decide(key, 9) == Settle(Ok())
    assert len(machine.take()) == 1


def test_a_step_that_is_over_hears_of_no_other_end():
    machine = Machine()
    key = machine.open(Do("a"), 0)
    done(machine, key)
    machine.report(key, BOOM, 1)
    assert len(machine.take()) == 1
    assert seen(machine) == [key]
    machine.report(key, BOOM, 2)
    assert machine.take() == []


def test_what_is_discarded_was_never_said():
    machine = Machine()
    done(machine, machine.open(Do("a"), 0))
    machine.discard()
    assert (machine.take(), machine.seq) == ([], 0)


# -- what becomes a fact ----------------------------------------------------------------------------------


def test_what_begins_is_told_once_and_only_when_it_lasts():
    machine = Machine()
    for step in (Do("a"), Sleep("nap", LATER), Do("b")):
        machine.open(step, 0)
    done(machine, "b-1")
    machine.take()
    machine.begin("a-1", 1, 3)
    machine.announce(["a-1", "nap-1", "b-1", "unknown-1"])
    assert machine.take() == [
        Opened("a-1", "do", 0),
        Tried("a-1", 1, 3),
        Opened("nap-1", "sleep", 0, b"", {"duration": LATER}),
    ]
    machine.announce(["a-1", "nap-1", "b-1"])
    assert machine.take() == []


def test_what_the_journal_tells_of_a_beginning_is_not_told_again():
    first = Machine()
    first.open(Do("a"), 0)
    first.begin("a-1", 1, 3)
    first.announce(["a-1"])
    replay = again(*first.take())
    replay.open(Do("a"), 7)
    assert replay.decide("a-1", 7) == Run(2, 600_000)
    replay.announce(["a-1"])
    assert replay.take() == []
    replay.begin("a-1", 2, 8)
    replay.announce(["a-1"])
    assert replay.take() == [Tried("a-1", 2, 8)]
    replay.report("a-1", OK, 9)
    assert replay.take() == [Settled("a-1", "do", 9, OK, b"", 0, 2, 8)]


def test_a_failure_that_may_not_be_retried_is_told_without_a_time():
    machine = Machine()
    machine.open(Do("a", Retry(limit=1, delay_ms=70)), 0)
    machine.begin("a-1", 1, 1)
    machine.report("a-1", BOOM, 2)
    machine.begin("a-1", 2, 72)
    machine.report("a-1", LAST_STRAW, 73)
    told = [fact for fact in machine.take() if isinstance(fact, Failed)]
    assert [(fact.attempt, fact.began_at, fact.at, fact.retry_at) for fact in told] == [
        (1, 1, 2, 72),
        (2, 72, 73, None),
    ]


# -- events -----------------------------------------------------------------------------------------------


def test_events_of_a_type_are_first_in_first_out():
    machine = Machine()
    for number, type_ in ((1, "paid"), (2, "shipped"), (3, "paid")):
        assert machine.receive(event(number, type_))
    taken = []
    for name in ("a", "b"):
        key = machine.open(WaitForEvent(name, "paid"), 0)
        machine.decide(key, 0)
        taken += [outcome.event for outcome in [machine.next(LATER)] if outcome is not None]
    assert taken == [event(1), event(3)]


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
    assert seen(replay) == ["wait-1"]
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


# -- steps that the code gives up -------------------------------------------------------------------------


def test_a_closed_timer_is_never_seen():
    machine = Machine()
    machine.open(Do("work"), 0)
    machine.open(Sleep("timer", 10), 0)
    done(machine, "work-1", 10)
    machine.decide("timer-1", 10)
    assert machine.next(LATER) == Seen("work-1", OK, 10)
    machine.close("timer-1")
    assert machine.next(LATER) is None
    assert not machine.awaiting


def test_a_closed_timer_is_never_seen_in_a_replay_either():
    machine = Machine()
    machine.open(Do("work"), 0)
    machine.open(Sleep("timer", 10), 0)
    done(machine, "work-1", 10)
    machine.decide("timer-1", 10)
    replay = again(*machine.take())
    replay.open(Do("work"), 0)
    replay.open(Sleep("timer", 10), 0)
    assert replay.next(LATER) == Seen("work-1", OK, 10)
    replay.close("timer-1")
    assert replay.next(LATER) is None
    assert not replay.replaying


def test_a_timer_that_was_told_and_closed_asks_for_nothing_in_a_replay():
    machine = Machine()
    machine.open(Do("work"), 0)
    machine.open(Sleep("timer", 10), 0)
    machine.announce(["timer-1"])
    done(machine, "work-1", 5)
    assert seen(machine) == ["work-1"]
    machine.close("timer-1")
    machine.announce(["timer-1"])
    replay = again(*machine.take())
    replay.open(Do("work"), 0)
    replay.open(Sleep("timer", 10), 0)
    assert seen(replay, 2) == ["work-1"]
    replay.close("timer-1")
    assert (seen(replay), replay.undecided(), replay.take()) == ([], [], [])


def test_closing_what_is_over_or_unknown_does_nothing():
    machine = Machine()
    done(machine, machine.open(Do("a"), 0))
    assert seen(machine) == ["a-1"]
    machine.close("a-1")
    machine.close("never-1")
    assert len(machine.take()) == 1


def test_an_attempt_of_a_closed_step_ends_unheard():
    machine = Machine()
    machine.open(Do("a"), 0)
    machine.begin("a-1", 1, 0)
    machine.close("a-1")
    machine.report("a-1", OK, 1)
    assert machine.take() == []


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


# -- the log ----------------------------------------------------------------------------------------------


def test_a_line_of_workflow_code_is_logged_once_however_often_it_replays():
    first = Machine()
    assert first.log(Logged("info", "one", 1))
    assert first.log(Logged("info", "two", 1))
    facts = first.take()
    replay = again(*facts)
    assert not replay.log(Logged("info", "one", 9))
    assert not replay.log(Logged("info", "two", 9))
    assert replay.log(Logged("info", "three", 9))
    assert replay.take() == [Logged("info", "three", 9)]


def test_a_line_that_is_not_workflow_codes_hides_none_of_its_lines():
    first = Machine()
    assert first.log(Logged("info", "in a step", 1, source="step"))
    assert first.log(Logged("info", "one", 1))
    replay = again(*first.take())
    assert not replay.log(Logged("info", "one", 2))
    assert replay.log(Logged("info", "in a step", 2, source="step"))
    assert replay.log(Logged("info", "two", 2))


# -- limits -----------------------------------------------------------------------------------------------


def test_a_step_over_the_limit_is_refused_and_sleeps_and_waits_do_not_count():
    machine = Machine(step_limit=2)
    for step in (Do("a"), Sleep("nap"), PAID, Do("a"), Sleep("nap")):
        machine.open(step, 0)
    with pytest.raises(TooMany, match="The limit of 2 steps has been reached") as refused:
        machine.open(Do("a"), 0)
    assert refused.value.hint is not None
    assert machine.open(Sleep("a"), 0) == "a-3"


def test_the_limit_counts_the_steps_of_a_replay_too():
    first = Machine()
    done(first, first.open(Do("a"), 0))
    replay = again(*first.take(), step_limit=1)
    replay.open(Do("a"), 0)
    with pytest.raises(TooMany):
        replay.open(Do("b"), 0)


# -- the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["complete", "errored", "terminated"])
def test_an_instance_that_ended_appends_nothing(status):
    machine = Machine()
    machine.open(Do("a"), 0)
    machine.move(Moved(status, 5))
    facts = machine.take()
    assert facts == [Moved(status, 5)]
    for ended in (machine, again(*facts)):
        assert ended.ended
        for append in (
            lambda ended=ended: ended.log(Logged("info", "late", 6)),
            lambda ended=ended: ended.receive(event(1)),
            lambda ended=ended: ended.move(Moved("running", 6)),
        ):
            with pytest.raises(AssertionError, match="appends nothing"):
                append()
        assert ended.take() == []


@pytest.mark.parametrize("status", ["running", "waiting", "paused", "queued"])
def test_an_instance_that_moved_elsewhere_goes_on(status):
    machine = Machine()
    machine.move(Moved(status, 5))
    assert not machine.ended
    assert not again(*machine.take()).ended


# -- divergence -------------------------------------------------------------------------------------------


def journal_of_one_step() -> list[Fact]:
    return [Settled("charge-1", "do", 5, OK, b"12345678", 0, 1, 0)]


def test_another_kind_of_step_under_a_recorded_key_is_a_divergence():
    machine = again(*journal_of_one_step())
    with pytest.raises(
        NonDeterminismError, match="'charge-1' is recorded as do, and the code asks for sleep"
    ):
        machine.open(Sleep("charge"), 0)


def test_other_arguments_than_the_recorded_ones_are_a_divergence():
    machine = again(*journal_of_one_step())
    with pytest.raises(NonDeterminismError, match="'charge-1' is called with other arguments"):
        machine.open(Do("charge"), 0, b"87654321")


def test_other_arguments_than_those_of_a_step_under_way_are_a_divergence():
    machine = again(Opened("charge-1", "do", 0, b"12345678"))
    with pytest.raises(NonDeterminismError, match="other arguments"):
        machine.open(Do("charge"), 0, b"87654321")


@pytest.mark.parametrize("digest", [b"12345678", b""])
def test_the_same_arguments_or_such_as_have_no_digest_fit(digest):
    machine = again(*journal_of_one_step())
    assert machine.open(Do("charge"), 0, digest) == "charge-1"
    machine = again(Opened("charge-1", "do", 0))
    assert machine.open(Do("charge"), 0, digest) == "charge-1"


def test_a_recorded_outcome_that_the_code_does_not_ask_for_is_a_divergence():
    machine = again(*journal_of_one_step())
    machine.open(Do("refund"), 0)
    with pytest.raises(NonDeterminismError, match=r"goes on with step 'charge-1' \(do\), which the code"):
        machine.next(LATER)


def test_a_step_under_way_that_the_code_never_asks_for_is_a_divergence():
    machine = again(Opened("nap-1", "sleep", 0), *journal_of_one_step())
    machine.open(Do("charge"), 0)
    assert machine.next(LATER) == Seen("charge-1", OK, 5)
    with pytest.raises(
        NonDeterminismError, match=r"has step 'nap-1' \(sleep\) under way, which the code never asks for"
    ):
        machine.next(LATER)


def test_a_step_under_way_may_be_asked_for_late_in_the_replay():
    machine = again(*journal_of_one_step(), Opened("nap-1", "sleep", 5))
    machine.open(Do("charge"), 0)
    assert machine.next(LATER) == Seen("charge-1", OK, 5)
    machine.open(Sleep("nap", 10), 99)
    assert machine.next(LATER) is None
    assert machine.undecided() == ["nap-1"]
    assert machine.decide("nap-1", 14) == Park(15)


def test_steps_that_are_new_in_the_code_may_come_at_the_end():
    machine = again(*journal_of_one_step())
    machine.open(Do("charge"), 0)
    assert seen(machine) == ["charge-1"]
    machine.open(Do("new"), 0)
    assert machine.next(LATER) is None
    assert machine.undecided() == ["new-1"]


def test_a_failed_outcome_is_seen_as_it_was():
    journal: list[Fact] = [
        Opened("charge-1", "do", 0),
        Failed("charge-1", 1, 0, 1, LAST_STRAW.failure),
        Received(1, "paid", b"", 0, 0),
        Settled("charge-1", "do", 1, LAST_STRAW, b"", 0, 1, 0),
    ]
    machine = again(*journal)
    machine.open(Do("charge"), 0)
    assert machine.next(LATER) == Seen("charge-1", Err(LAST_STRAW.failure), 1)


# -- what an instance may keep ----------------------------------------------------------------------------


def test_a_value_for_which_the_instance_has_no_room_left_fails_its_step_for_good():
    machine = Machine(state_bytes=10)
    for key, value, noted in (("a-1", b"123456", None), ("b-1", b"12345", FULL), ("c-1", b"1234", None)):
        machine.open(Do(key[0]), 0)
        assert machine.decide(key, 0) == Run(1, 600_000)
        machine.begin(key, 1, 0)
        outcome = Ok(value) if noted is None else Err(noted)
        assert machine.report(key, Ok(value), 1) == outcome
        assert machine.decide(key, 1) == Settle(outcome)
    told = [type(fact).__name__ for fact in machine.take()]
    assert told == ["Settled", "Opened", "Failed", "Settled", "Settled"]
    assert FULL.message == "The instance has exceeded the 1GiB storage limit"


def test_what_an_instance_keeps_is_counted_over_its_lives():
    first = Machine()
    first.open(Do("a"), 0)
    done(first, "a-1")
    second = Machine(first.take(), state_bytes=len(OK.value))
    assert second.open(Do("a"), 0) == "a-1"
    second.open(Do("b"), 0)
    assert second.decide("b-1", 0) == Run(1, 600_000)
    second.begin("b-1", 1, 0)
    assert second.report("b-1", Ok(b""), 1) == Ok(b"")
    second.open(Do("c"), 0)
    second.decide("c-1", 0)
    second.begin("c-1", 1, 0)
    assert second.report("c-1", OK, 1) == Err(FULL)


def test_a_step_that_is_over_is_told_what_it_was_told():
    machine = Machine(state_bytes=0)
    assert machine.report("a-1", OK, 1) is OK
