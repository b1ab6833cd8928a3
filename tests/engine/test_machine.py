from __future__ import annotations

from collections import Counter, deque
from typing import Any

import pytest

from tests.engine.play import BOOM, LAST_STRAW, LATER, OK, again, done, event, heard
from wflow.engine import names
from wflow.engine.decisions import Park, Run, Settle
from wflow.engine.facts import Fact, Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.machine import Machine
from wflow.engine.outcome import FULL, Err, Ok
from wflow.engine.retry import Retry
from wflow.engine.seen import Seen
from wflow.engine.steps.do import Do
from wflow.engine.steps.poll import Poll
from wflow.engine.steps.rollback import Rollback
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import NonDeterminismError, TooMany

PAID = WaitForEvent("wait", "paid", LATER)


# -- the order of things ----------------------------------------------------------------------------------


def test_outcomes_are_seen_in_journal_order_each_when_it_is_durable():
    machine = Machine()
    for name in "abc":
        machine.open(Do(name), 0)
    for key in ("b-1", "c-1", "a-1"):
        done(machine, key, 5)
    assert len(machine.take()) == machine.seq == 3
    assert heard(machine, 0) == []
    assert machine.awaiting
    assert machine.next(1) == Seen("b-1", OK, 5)
    assert heard(machine, 1) == []
    assert heard(machine, 3) == ["c-1", "a-1"]
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
    assert heard(replay) == ["b-1", "c-1", "a-1"]
    assert (replay.replaying, replay.take(), replay.seq, replay.undecided()) == (False, [], 3, [])


def test_new_facts_are_numbered_on_from_the_journal():
    first = Machine()
    done(first, first.open(Do("a"), 0))
    replay = again(*first.take())
    replay.open(Do("a"), 0)
    replay.open(Do("b"), 0)
    assert heard(replay) == ["a-1"]
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
    assert heard(machine) == [key]
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
        Opened("a-1", "do", 0, order=1),
        Tried("a-1", 1, 3),
        Opened("nap-1", "sleep", 0, b"", {"duration": LATER}, 2),
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
    assert replay.take() == [Settled("a-1", "do", 9, OK, b"", 0, 2, 8, order=1)]


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
    assert heard(machine) == ["work-1"]
    machine.close("timer-1")
    machine.announce(["timer-1"])
    replay = again(*machine.take())
    replay.open(Do("work"), 0)
    replay.open(Sleep("timer", 10), 0)
    assert heard(replay, 2) == ["work-1"]
    replay.close("timer-1")
    assert (heard(replay), replay.undecided(), replay.take()) == ([], [], [])


def test_closing_what_is_over_or_unknown_does_nothing():
    machine = Machine()
    done(machine, machine.open(Do("a"), 0))
    assert heard(machine) == ["a-1"]
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
    assert heard(machine) == ["charge-1"]
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


# -- what is told of a step that is open ------------------------------------------------------------------


def test_a_step_is_told_with_the_settings_that_hold_for_it():
    machine = again(Opened("a-1", "do", 0, detail=Do("a", Retry(limit=1)).describe(), order=1))
    for name in "ab":
        machine.open(Do(name, Retry(limit=2)), 0)
    assert [machine.step(key) for key in ("a-1", "b-1")] == [Do("a", Retry(limit=1)), Do("b", Retry(limit=2))]


@pytest.mark.parametrize(
    "step", [Do("a", Retry(limit=1, delay_ms=0)), Rollback("a-1", Retry(limit=1, delay_ms=0))]
)
def test_the_last_attempt_is_the_one_after_which_the_policy_allows_none(step):
    machine = Machine()
    key = machine.open(step, 0)
    last = []
    for attempt in (1, 2):
        assert machine.decide(key, 0) == Run(attempt, 600_000)
        last.append(machine.begin(key, attempt, 0).last)
        machine.report(key, BOOM, 0)
    assert last == [False, True]


@pytest.mark.parametrize("once", [True, False])
def test_an_attempt_that_was_cut_off_counts_for_the_last_one_only_at_most_once(once):
    first = Machine()
    step = Do("a", Retry(limit=1, delay_ms=0), at_most_once=once)
    first.open(step, 0)
    first.begin("a-1", 1, 0)
    first.announce(["a-1"])
    machine = again(*first.take(), died=True)
    machine.open(step, 0)
    assert machine.decide("a-1", 0) == Run(2, 600_000)
    assert machine.begin("a-1", 2, 0).last is once


def test_a_poll_has_no_last_attempt():
    machine = Machine()
    machine.open(Poll("ready", 1_000, 60_000, Retry(limit=0)), 0)
    assert not machine.begin("ready-1", 1, 0).last


def test_a_step_knows_how_often_the_instance_was_restarted_before_it_opened():
    restart = Moved("queued", 0, detail={"restart": True})
    resumed = Moved("queued", 0, detail={"by": "hand"})
    machine = again(Opened("a-1", "do", 0), restart, Opened("b-1", "do", 0), resumed, restart)
    for name in "abc":
        machine.open(Do(name), 0)
    assert [machine.begin(key, 1, 0).generation for key in ("a-1", "b-1", "c-1")] == [0, 1, 2]


def test_calls_that_have_no_outcome_are_unfinished_in_the_order_in_which_they_were_asked_for():
    machine = Machine()
    for step in (Do("a"), Sleep("nap"), Do("b"), PAID, Do("c"), Poll("ready", 1_000, 60_000)):
        machine.open(step, 0)
    done(machine, "a-1")
    machine.begin("c-1", 1, 0)
    assert machine.unfinished() == ["b-1", "c-1"]
    machine.close("b-1")
    assert machine.unfinished() == ["c-1"]


# -- growth -----------------------------------------------------------------------------------------------


def weight(machine: Machine) -> int:
    """Count what a machine holds, in all that it is made of."""
    parts: dict[int, object] = {}
    left: list[object] = [machine]
    while left:
        part = left.pop()
        if id(part) not in parts:
            parts[id(part)] = part
            if type(part).__module__.startswith("wflow.engine."):
                left += getattr(part, "__dict__", {}).values()
                left += [getattr(part, name) for name in getattr(type(part), "__slots__", ())]
    return sum(len(part) for part in parts.values() if isinstance(part, (dict, list, set, deque, Counter)))


def play_round(machine: Machine, number: int) -> None:
    """Do all kinds of steps once, as a long-lived code does."""
    timer = machine.open(Sleep("timer", 10), 0)
    call = machine.open(Do("a", undoable=True), 0)
    done(machine, call)
    machine.announce([timer])
    machine.decide(timer, 10)
    machine.receive(event(number, f"child-{number}"))
    assert machine.next(LATER) == Seen(call, OK, 0)
    machine.close(timer)
    lost, won = (machine.open(WaitForEvent(name, f"child-{number}"), 0) for name in ("lost", "won"))
    machine.decide(lost, 0)
    machine.close(lost)
    for key in machine.undecided():
        machine.decide(key, 0)
    assert machine.next(LATER) == Seen(won, Ok(), 0, event(number, f"child-{number}"))
    machine.log(Logged("info", "again", 0))
    assert machine.next(LATER) is None


def test_ten_thousand_steps_leave_nothing_in_memory_but_the_numbers_of_their_events():
    machine = Machine()
    journal: list[Fact] = []
    weights = []
    for number in range(2_500):
        play_round(machine, number)
        journal += machine.take()
        if number + 1 in {100, 2_500}:
            weights.append(weight(machine))
    assert weights[1] - weights[0] == 2_400
    replay = Machine(journal, seq=len(journal))
    assert weight(replay) > 20_000
    for number in range(2_500):
        keys = [replay.open(step, 0) for step in (Sleep("timer", 10), Do("a", undoable=True))]
        assert replay.next(LATER) == Seen(keys[1], OK, 0)
        replay.close(keys[0])
        type_ = f"child-{number}"
        lost, won = (replay.open(WaitForEvent(name, type_), 0) for name in ("lost", "won"))
        replay.close(lost)
        assert replay.next(LATER) == Seen(won, Ok(), 0, event(number, type_))
    assert replay.next(LATER) is None
    assert weight(replay) - weights[1] == len(replay.undoable) == 2_500


def test_events_beyond_the_limit_are_taken_in_when_somebody_awaits_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wflow.engine.names.EVENTS_BUFFERED", 1)
    machine = Machine()
    assert [machine.receive(event(number)) for number in (1, 2, 3)] == [True, False, False]
    assert [fact.event for fact in machine.take() if isinstance(fact, Received)] == [1]
    for number in (1, 2, 3):
        key = machine.open(WaitForEvent("wait", "paid"), 0)
        assert machine.decide(key, 0) == Settle(Ok())
        (settled,) = (fact for fact in machine.take() if isinstance(fact, Settled))
        assert settled.event == number


# -- where the code asks ------------------------------------------------------------------------------------


def test_a_site_is_told_once_of_each_step():
    machine = Machine()
    done(machine, machine.open(Do("a"), 0, site="main.py:1 a"))
    key = machine.open(Sleep("nap", 5), 0, site="main.py:2 nap")
    machine.announce([key])
    machine.decide(key, 5)
    told: list[Any] = machine.take()
    sites = [(type(fact).__name__, fact.key, fact.site) for fact in told]
    assert sites == [
        ("Settled", "a-1", "main.py:1 a"),
        ("Opened", "nap-1", "main.py:2 nap"),
        ("Settled", "nap-1", ""),
    ]


# -- names that changed -------------------------------------------------------------------------------------


def test_a_step_that_was_called_otherwise_goes_on_under_its_old_key():
    machine = again(Settled("old-1", "do", 0, OK, order=1), Settled("old-2", "do", 0, OK, order=2))
    assert machine.upcoming("new", "old") == "old-1"
    assert [machine.open(Do("new"), 0, formerly="old") for _ in range(2)] == ["old-1", "old-2"]
    assert heard(machine) == ["old-1", "old-2"]
    assert machine.upcoming("new", "old") == "new-1"
    assert machine.take() == []


def test_a_step_that_is_recorded_under_its_new_name_has_that():
    machine = again(Opened("new-1", "do", 0, order=1), Settled("old-1", "do", 0, OK, order=2))
    assert machine.open(Do("new"), 0, formerly="old") == "new-1"
    assert machine.open(Do("old"), 0) == "old-1"


def test_steps_of_which_some_had_the_old_name_keep_what_each_had():
    journal = [
        Settled("old-1", "do", 0, OK, order=1),
        Settled("old-2", "do", 0, OK, order=2),
        Settled("new-1", "do", 0, OK, order=3),
    ]
    machine = again(*journal)
    keys = [machine.open(Do("new"), 0, formerly="old") for _ in range(4)]
    assert keys == ["old-1", "old-2", "new-1", "new-2"]


def test_a_new_step_with_an_old_name_is_told_at_once_lest_a_later_one_is_taken_for_it():
    first = Machine()
    assert first.open(Do("new"), 0, site="x", formerly="old") == "new-1"
    done(first, first.open(Do("old"), 0))
    journal: list[Any] = first.take()
    assert [(type(fact).__name__, fact.key) for fact in journal] == [
        ("Opened", "new-1"),
        ("Settled", "old-1"),
    ]
    machine = again(*journal)
    assert machine.open(Do("new"), 0, formerly="old") == "new-1"
    assert machine.open(Do("old"), 0) == "old-1"
    assert heard(machine) == ["old-1"]
    assert machine.take() == [], "it is told already"


def test_a_step_of_a_new_name_that_is_over_is_not_told_again():
    machine = again(Settled("new-1", "do", 0, OK, order=1))
    machine.open(Do("new"), 0, formerly="old")
    assert (heard(machine), machine.take()) == (["new-1"], [])


# -- code that changed -------------------------------------------------------------------------------------


def test_an_instance_that_comes_to_a_change_live_takes_the_new_way_and_notes_that():
    machine = Machine()
    done(machine, machine.open(Do("a"), 0))
    assert heard(machine) == ["a-1"]
    machine.take()
    assert [machine.patched("v2", 7), machine.patched("v2", 8)] == [True, True]
    assert machine.take() == [Settled("patched:v2", "patch", 7, Ok(), order=1)]
    assert heard(machine) == [], "nobody hears of it"


def test_an_instance_that_came_past_before_the_change_keeps_the_old_way():
    machine = again(Settled("a-1", "do", 0, OK, order=1))
    assert not machine.patched("v2", 0)
    machine.open(Do("a"), 0)
    assert heard(machine) == ["a-1"]
    assert not machine.patched("v2", 0), "the answer stays"
    assert machine.patched("v3", 0), "here it has not been before"


def test_a_step_that_goes_on_and_was_not_asked_for_yet_keeps_the_old_way():
    machine = again(Opened("nap-1", "sleep", 0, detail={"duration": 5}, order=1))
    assert not machine.patched("v2", 0)
    machine.open(Sleep("nap", 5), 0)
    assert machine.patched("v3", 0)


def test_a_replay_takes_the_new_way_that_is_noted_wherever_the_note_lies():
    journal = [Settled("a-1", "do", 0, OK, order=1), Settled("patched:v2", "patch", 7, Ok(), order=1)]
    machine = again(*journal)
    assert machine.patched("v2", 0)
    machine.open(Do("a"), 0)
    assert heard(machine) == ["a-1"]
    assert machine.take() == []


def test_a_note_that_the_code_asks_for_no_more_does_no_harm():
    machine = again(Settled("patched:v2", "patch", 7, Ok()))
    assert (heard(machine), machine.replaying) == ([], False)


def test_changes_without_end_are_refused():
    machine = Machine()
    for number in range(names.PATCHES):
        machine.patched(str(number), 0)
    with pytest.raises(TooMany, match=str(names.PATCHES)):
        machine.patched("one more", 0)
    assert machine.patched("1", 0)


def test_a_way_that_is_new_is_sure_when_that_is_on_disk():
    machine = Machine()
    unsure = [machine.unsure]
    machine.patched("v2", 0)
    machine.take()
    for durable in (0, machine.seq):
        heard(machine, durable)
        unsure.append(machine.unsure)
    assert unsure == [False, True, False]
    assert not again(Settled("patched:v2", "patch", 7, Ok())).unsure
