"""What must hold of every program, every journal and every crash; the driver plays them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.driver import All, Call, Crash, Process, Program, Race, Say, Seq, World, play_to_the_end
from tests.engine.play import event
from wflow.engine.decisions import Settle
from wflow.engine.facts import Fact, Logged, Moved, Opened, Received, Settled
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent

LONG = 10**9
TYPES = ("paid", "shipped")

SLEEP = st.builds(Sleep, st.just("nap"), st.integers(0, 30)) | st.builds(
    Sleep, st.just("until"), until=st.integers(-5, 40)
)
SAY = st.builds(Say, st.sampled_from("xyz"))
NAMES = st.sampled_from("abc")


def calls(*, spare: int) -> st.SearchStrategy[Call]:
    """Steps that fail for good, or have ``spare`` attempts more than they need."""
    works = st.builds(
        lambda name, failures, takes: Call(name, failures, failures + spare, takes),
        NAMES,
        st.integers(0, 2),
        st.integers(0, 20),
    )
    fails = st.builds(Call, NAMES, st.just(99), st.integers(0, 1), st.integers(0, 20), st.booleans())
    return works | fails


def trees(leaf: st.SearchStrategy[Program], *, races: bool) -> st.SearchStrategy[Program]:
    kinds = [Seq, All, Race] if races else [Seq, All]
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            lambda kind, items: kind(tuple(items)),
            st.sampled_from(kinds),
            st.lists(inner, min_size=1, max_size=4),
        ),
        max_leaves=10,
    )


# Whatever the timing, these come to the same end: nothing races, and an event comes anyway or never does.
CALM = trees(
    calls(spare=1)
    | SLEEP
    | SAY
    | st.just(WaitForEvent("wait", "paid", LONG))
    | st.just(WaitForEvent("wait", "never", 25)),
    races=False,
)
WILD = trees(
    calls(spare=0)
    | SLEEP
    | SAY
    | st.builds(WaitForEvent, st.just("wait"), st.sampled_from(TYPES), st.integers(0, 40)),
    races=True,
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[Received, ...]:
    """Draw events in the order of their numbers and times, as a store gives them out."""
    times = sorted(draw(st.lists(st.integers(0, 50), max_size=8)))
    return tuple(event(n, draw(st.sampled_from(TYPES)), at=at) for n, at in enumerate(times, 1))


PLENTY = tuple(event(number, at=3 * number) for number in range(1, 11))


def outline(result: object) -> object:
    """Leave out what depends on the timing: which of several events came, which attempt died in a crash."""
    match result:
        case ("event", int()) | ("error", str()):
            return result[0]
        case tuple():
            return tuple(outline(item) for item in result)
    return result


def settled(journal: list[Fact]) -> dict[str, Settled]:
    """Map keys to their outcomes, of which each has one."""
    found = [fact for fact in journal if isinstance(fact, Settled)]
    by_key = {fact.key: fact for fact in found}
    assert len(by_key) == len(found)
    return by_key


def logged(journal: list[Fact]) -> list[str]:
    return [fact.message for fact in journal if isinstance(fact, Logged)]


def check_journal(journal: list[Fact]) -> None:
    """Check what holds of every journal."""
    settled(journal)
    assert max(Counter(fact.key for fact in journal if isinstance(fact, Opened)).values(), default=1) == 1
    assert max(Counter(fact.event for fact in journal if isinstance(fact, Received)).values(), default=1) == 1
    assert not any(isinstance(fact, Moved) for fact in journal[:-1])


# -- properties -------------------------------------------------------------------------------------------


@given(WILD, deliveries())
def test_an_ended_journal_replays_to_the_same_result_and_appends_nothing(program, events):
    world = World(events)
    result = play_to_the_end(program, world)
    journal = world.facts()
    check_journal(journal)
    replay = Process(program, world)
    assert replay.run() == result
    assert replay.machine.take() == []
    assert world.facts() == journal


@given(WILD, deliveries(), st.data())
def test_a_journal_at_rest_replays_to_the_same_decisions_and_appends_nothing(program, events, data):
    world = World(events)
    play_to_the_end(program, world)
    journal = list(world.journal)
    world.journal = journal[: data.draw(st.integers(0, len(journal) - 1))]
    world.appends = 0
    first = Process(program, world)
    first.replay()
    # Nothing happens any more by itself: this is where it would rest, once all that goes on is told.
    first.machine.announce(first.parked())
    world.append(first.machine.take())
    kept, world.decisions = list(world.journal), []
    decisions = []
    for _ in range(2):
        Process(program, world).replay()
        decisions.append(world.decisions)
        world.decisions = []
    assert decisions[0] == decisions[1]
    assert not any(isinstance(decision, Settle) for _, decision in decisions[0])
    assert world.journal == kept


@given(CALM, st.data())
def test_every_prefix_of_a_journal_leads_to_the_same_result(program, data):
    world = World(PLENTY)
    result = play_to_the_end(program, world)
    whole = world.facts()
    cut = data.draw(st.integers(0, len(whole)))
    again = World(PLENTY, now=world.now, journal=world.journal[:cut])
    assert outline(play_to_the_end(program, again)) == outline(result)
    journal = again.facts()
    check_journal(journal)
    assert journal[:cut] == whole[:cut]
    assert sorted(logged(journal)) == sorted(logged(whole))


@given(WILD, deliveries(), st.data())
def test_a_settled_step_never_changes_and_never_runs_again(program, events, data):
    world = World(events)
    play_to_the_end(program, world)
    whole = world.facts()
    cut = data.draw(st.integers(0, len(whole)))
    again = World(events, now=world.now, journal=world.journal[:cut])
    play_to_the_end(program, again)
    journal = again.facts()
    check_journal(journal)
    before, after = settled(whole[:cut]), settled(journal)
    assert before.items() <= after.items()
    assert not before.keys() & set(again.ran)


@given(WILD, deliveries())
def test_no_two_waits_that_the_code_sees_get_the_same_event(program, events):
    def gotten(result: object) -> list[int]:
        match result:
            case ("event", int(number)):
                return [number]
            case tuple():
                return [number for item in result for number in gotten(item)]
        return []

    got = gotten(play_to_the_end(program, World(events)))
    assert len(got) == len(set(got))
    assert set(got) <= {each.event for each in events}


@given(WILD, deliveries(), st.integers(1, 30))
def test_a_crash_anywhere_leaves_a_journal_in_order(program, events, crash_at):
    world = World(events, crash_at=crash_at)
    result = play_to_the_end(program, world)
    check_journal(world.facts())
    assert Process(program, world).run() == result


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
EXPECTED = (
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
)
APPENDS = 17


@pytest.mark.parametrize("crash_at", range(1, APPENDS + 1))
def test_a_crash_before_any_append_changes_nothing(crash_at):
    world = World((event(1, at=50),), crash_at=crash_at)
    assert play_to_the_end(TEN_STEPS, world) == EXPECTED
    journal = world.facts()
    check_journal(journal)
    assert settled(journal).keys() == {
        *("fetch-1", "charge-1", "nap-1", "a-1", "b-1", "wait-1"),
        *("quick-1", "gone-1", "date-1", "store-1"),
    }
    assert logged(journal) == ["begin", "half way", "end"]


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
