"""What must hold of every program, every journal and every crash; the driver plays them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.drawn import (
    LONG,
    PLENTY,
    TIDY,
    WILD,
    check_journal,
    check_rollback,
    logged,
    outline,
    pauses,
    settled,
    worlds,
)
from tests.engine.driver import Crash, Ending, Process, World, play_to_the_end
from tests.engine.play import event
from tests.engine.programs import All, Call, Fail, Guard, Race, Say, Seq
from wflow.engine.decisions import Settle
from wflow.engine.facts import Moved, Opened, Received, Settled
from wflow.engine.outcome import INTERRUPTED, Err
from wflow.engine.requests import CANCEL, ROLL_BACK, is_request
from wflow.engine.status import COMPLETE, ERRORED, PAUSED, QUEUED, TERMINATED
from wflow.engine.steps.do import DEATHS, POISONED
from wflow.engine.steps.rollback import PREFIX
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent

# -- properties -------------------------------------------------------------------------------------------


@pytest.mark.cut_off
@given(WILD, worlds())
def test_an_ended_journal_replays_to_the_same_result_and_appends_nothing(program, world):
    result = play_to_the_end(program, world)
    journal = world.facts()
    check_journal(journal)
    check_rollback(journal, result)
    replay = Process(program, world)
    assert replay.run() == result
    assert replay.machine.take() == []
    assert world.facts() == journal


@pytest.mark.cut_off
@given(WILD, worlds(), st.booleans(), st.data())
def test_a_journal_at_rest_replays_to_the_same_decisions_and_appends_nothing(program, world, died, data):
    play_to_the_end(program, world)
    journal = list(world.journal)
    world.journal = journal[: data.draw(st.integers(0, len(journal) - 1))]
    world.appends, world.died = 0, died
    for _ in range(100):
        told = len(world.journal)
        process = Process(program, world)
        process.replay()
        # Nothing happens any more by itself: this is where it would rest, once all that goes on is told. An
        # attempt that may be made once is over when its process is.
        process.machine.announce(process.parked())
        world.append(process.machine.take())
        if told == len(world.journal):
            break
    else:
        raise AssertionError("each replay appends something")
    kept, world.decisions = list(world.journal), []
    decisions = []
    for _ in range(2):
        Process(program, world).replay()
        decisions.append(world.decisions)
        world.decisions = []
    assert decisions[0] == decisions[1]
    assert not any(isinstance(decision, Settle) for _, decision in decisions[0])
    assert world.journal == kept


@pytest.mark.cut_off
@given(TIDY, st.booleans(), pauses(), st.data())
def test_every_prefix_of_a_journal_leads_to_the_same_result(program, died, breaks, data):
    world = World(PLENTY, pauses=breaks)
    result = play_to_the_end(program, world)
    whole = world.facts()
    cut = data.draw(st.integers(0, len(whole)))
    again = World(PLENTY, now=world.now, journal=world.journal[:cut], died=died)
    ending = play_to_the_end(program, again)
    assert outline(ending) == outline(result)
    journal = again.facts()
    check_journal(journal)
    check_rollback(journal, ending)
    assert journal[:cut] == whole[:cut]
    assert sorted(logged(journal)) == sorted(logged(whole))


@pytest.mark.cut_off
@given(WILD, worlds(), st.data())
def test_every_prefix_of_any_journal_leads_to_one_in_order(program, world, data):
    events = world.events
    play_to_the_end(program, world)
    whole = world.facts()
    cut = data.draw(st.integers(0, len(whole)))
    again = World(events, now=world.now, journal=world.journal[:cut], died=data.draw(st.booleans()))
    ending = play_to_the_end(program, again)
    journal = again.facts()
    check_journal(journal)
    check_rollback(journal, ending)
    before, after = settled(whole[:cut]), settled(journal)
    assert before.items() <= after.items()
    assert not before.keys() & set(again.ran), "a step that is settled never runs again"
    assert Process(program, again).run() == ending


@pytest.mark.cut_off
@given(WILD, worlds())
def test_no_two_waits_that_the_code_sees_get_the_same_event(program, world):
    def gotten(result: object) -> list[int]:
        match result:
            case ("event", int(number)):
                return [number]
            case tuple():
                return [number for item in result for number in gotten(item)]
        return []

    got = gotten(play_to_the_end(program, world).result)
    assert len(got) == len(set(got))
    assert set(got) <= {each.event for each in world.events if not is_request(each.type)}


@pytest.mark.cut_off
@given(WILD, worlds(), st.integers(1, 30), st.booleans())
def test_a_crash_anywhere_leaves_a_journal_in_order(program, world, crash_at, blames):
    world.crash_at, world.blames = crash_at, blames
    result = play_to_the_end(program, world)
    journal = world.facts()
    check_journal(journal)
    check_rollback(journal, result)
    assert Process(program, world).run() == result


@given(TIDY, pauses())
def test_a_pause_changes_nothing_but_the_time(program, breaks):
    awake, paused = World(PLENTY), World(PLENTY, pauses=breaks)
    assert outline(play_to_the_end(program, paused)) == outline(play_to_the_end(program, awake))
    assert Counter(paused.ran) == Counter(awake.ran)


@given(TIDY, pauses())
def test_a_duration_is_slept_while_the_instance_is_awake(program, breaks):
    world = World(PLENTY, pauses=breaks)
    play_to_the_end(program, world)
    journal = world.facts()
    moves = [fact for fact in journal if isinstance(fact, Moved) and fact.status in {PAUSED, QUEUED}]
    paused = list(zip((fact.at for fact in moves[::2]), (fact.at for fact in moves[1::2]), strict=True))
    spans = {fact.key: fact.detail for fact in journal if isinstance(fact, (Opened, Settled)) and fact.detail}
    for fact in settled(journal).values():
        span_ms = spans[fact.key].get("duration") if fact.kind == "sleep" else None
        if isinstance(span_ms, int):
            lost = [
                min(fact.at, until) - max(fact.opened_at, since)
                for since, until in paused
                if fact.opened_at < until and since < fact.at
            ]
            assert fact.at - fact.opened_at - sum(lost) >= span_ms


@given(
    WILD, worlds(), st.lists(st.tuples(st.integers(0, 60), st.sampled_from((CANCEL, ROLL_BACK))), max_size=5)
)
def test_what_is_asked_often_is_done_once(program, world, asked):
    asked = [event(100 + number, type_, at=at) for number, (at, type_) in enumerate(asked)]
    world.events = tuple(sorted((*world.events, *asked), key=lambda each: each.sent_at))
    result = play_to_the_end(program, world)
    journal = world.facts()
    check_journal(journal)
    check_rollback(journal, result)
    if any(isinstance(fact, Received) and fact.type == ROLL_BACK for fact in journal):
        assert result.undone is not None or result.status != COMPLETE


# -- ten steps, a crash before each append ----------------------------------------------------------------

TEN_STEPS = Seq(
    (
        Say("begin"),
        Call("fetch"),
        Call("charge", failures=2, limit=3),
        Sleep("nap", 100),
        All(
            (
                Call("a", limit=1, takes_ms=9),
                Call("b", failures=1, limit=2),
                WaitForEvent("wait", "paid", LONG),
            )
        ),
        Say("half way"),
        Race((Sleep("timer", LONG), Call("quick"))),
        Call("gone", failures=9, limit=9, fatal=True),
        Sleep("date", until=500),
        Call("store", limit=1, takes_ms=50),
        Say("end"),
    )
)
EXPECTED = Ending(
    COMPLETE,
    (
        None,
        ("value", b"fetch"),
        ("value", b"charge"),
        ("value", b"\xc0"),
        (("value", b"a"), ("value", b"b"), ("event", 1)),
        None,
        (1, ("value", b"quick")),
        ("error", "Boom"),
        ("value", b"\xc0"),
        ("value", b"store"),
        None,
    ),
)
APPENDS = 17


@pytest.mark.parametrize("blames", [True, False])
@pytest.mark.parametrize("crash_at", range(1, APPENDS + 1))
def test_a_crash_before_any_append_changes_nothing(crash_at, blames):
    world = World((event(1, at=50),), crash_at=crash_at, blames=blames)
    assert play_to_the_end(TEN_STEPS, world) == EXPECTED
    journal = world.facts()
    check_journal(journal)
    assert settled(journal).keys() == {
        *("fetch-1", "charge-1", "nap-1", "a-1", "b-1", "wait-1"),
        *("quick-1", "gone-1", "date-1", "store-1"),
    }
    assert logged(journal) == ["begin", "half way", "end"]


@pytest.mark.resident("it counts the appends")
def test_the_crashes_cover_every_append():
    world = World((event(1, at=50),))
    assert play_to_the_end(TEN_STEPS, world) == EXPECTED
    assert world.appends == APPENDS


def test_without_a_crash_every_attempt_is_made_once():
    world = World((event(1, at=50),))
    play_to_the_end(TEN_STEPS, world)
    assert Counter(world.ran) == {
        "fetch-1": 1,
        "charge-1": 3,
        "a-1": 1,
        "b-1": 2,
        "quick-1": 1,
        "gone-1": 1,
        "store-1": 1,
    }


@pytest.mark.parametrize("first", [1, 3, 8, 12, 16])
@pytest.mark.parametrize("then", [1, 2, 5, 9])
def test_a_crash_after_a_crash_changes_nothing_either(first, then):
    world = World((event(1, at=50),), crash_at=first)
    with pytest.raises(Crash):
        Process(TEN_STEPS, world).run()
    world.crash_at = first + then
    assert play_to_the_end(TEN_STEPS, world) == EXPECTED
    check_journal(world.facts())


# -- three steps to undo ----------------------------------------------------------------------------------

SAGA = Guard(
    Seq(
        (
            Call("book", undo=0),
            All((Call("charge", undo=1, takes_ms=9), Call("note"), Call("ship", failures=1, undo=0))),
            Fail(),
        )
    ),
    Call("clean", undo=0),
)
SAGA_APPENDS = 10
UNDONE = ["rollback:ship-1", "rollback:charge-1", "rollback:charge-1", "rollback:book-1"]


def undoing(world: World) -> list[str]:
    return [key for key in world.ran if key.startswith(PREFIX)]


@pytest.mark.resident("it counts the appends")
def test_what_was_done_is_undone_the_last_that_began_first():
    world = World()
    assert play_to_the_end(SAGA, world) == Ending(ERRORED, undone=True)
    assert (undoing(world), world.appends) == (UNDONE, SAGA_APPENDS)
    check_rollback(world.facts(), Ending(ERRORED, undone=True))


@pytest.mark.cut_off
@pytest.mark.parametrize("crash_at", range(1, SAGA_APPENDS + 1))
def test_a_crash_before_any_append_undoes_the_same(crash_at):
    world = World(crash_at=crash_at)
    assert play_to_the_end(SAGA, world) == Ending(ERRORED, undone=True)
    check_rollback(world.facts(), Ending(ERRORED, undone=True))
    assert list(dict.fromkeys(undoing(world))) == list(dict.fromkeys(UNDONE))


@pytest.mark.parametrize("at", range(16))
@pytest.mark.parametrize("type_", [CANCEL, ROLL_BACK])
def test_whenever_it_is_asked_to_end_what_began_until_then_is_undone(at, type_):
    world = World((event(1, type_, at=at),))
    ending = play_to_the_end(SAGA, world)
    check_rollback(world.facts(), ending)
    assert ending.undone or not [key for key in world.ran if key != "note-1"]
    assert ("clean-1" in world.ran) is (ending.status == TERMINATED and type_ == CANCEL)


def test_a_rollback_that_fails_ends_the_undoing():
    world = World()
    program = Seq((Call("a", undo=0), Call("b", undo=9), Call("c", undo=0), Fail()))
    assert play_to_the_end(program, world) == Ending(ERRORED, undone=False)
    assert undoing(world) == ["rollback:c-1", *["rollback:b-1"] * 3]


# -- who ends the process ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [1, DEATHS, DEATHS + 1, 100])
def test_a_step_that_keeps_ending_its_process_is_given_up_and_the_instance_goes_on(kills):
    world = World()
    program = Seq((Call("good"), Call("bad", kills=kills), Call("after")))
    ending = play_to_the_end(program, world)
    bad = ("value", b"bad") if kills <= DEATHS else ("error", "StepInterrupted")
    assert ending == Ending(COMPLETE, (("value", b"good"), bad, ("value", b"after")))
    # The first death is nobody's: that attempt was not on disk.
    assert world.ran.count("bad-1") == min(kills, DEATHS) + 1
    assert (world.ran.count("good-1"), world.ran.count("after-1")) == (1, 1)
    if kills > DEATHS:
        assert settled(world.facts())["bad-1"].outcome == Err(POISONED)


def test_at_most_once_a_step_that_ended_its_process_is_not_made_again():
    world = World()
    ending = play_to_the_end(Seq((Call("bad", kills=9, once=True), Call("after"))), world)
    assert ending == Ending(COMPLETE, (("error", "StepInterrupted"), ("value", b"after")))
    assert world.ran == ["bad-1", "after-1"]
    assert settled(world.facts())["bad-1"].outcome == Err(INTERRUPTED)
