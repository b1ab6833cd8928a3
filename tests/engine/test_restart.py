"""What is forgotten when an instance is restarted from a step, and what the code does then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.drawn import (
    PLENTY,
    TIDY,
    WILD,
    check_journal,
    check_rollback,
    logged,
    orders,
    outline,
    settled,
    worlds,
)
from tests.engine.driver import World, play_to_the_end
from tests.engine.play import BOOM, OK, event
from tests.engine.programs import All, Call, Guard, Race, Say, Seq
from wflow.engine import facts
from wflow.engine.facts import Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.requests import CANCEL, CHILD, ROLL_BACK
from wflow.engine.restart import cut
from wflow.engine.status import ERRORED, QUEUED, ROLLING_BACK, RUNNING, TERMINATED
from wflow.engine.steps.rollback import PREFIX
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import WrongMove

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.engine.programs import Code
    from wflow.engine.facts import Fact


def numbered(journal: list[Fact]) -> list[tuple[int, Fact]]:
    """Give facts the numbers that the store keeps them under; some are gone, as after a restart."""
    return [(10 * seq, fact) for seq, fact in enumerate(journal, 1)]


def kept(journal: list[Fact], name: str, count: int = 1, kind: str | None = None) -> list[Fact]:
    """Give what a restart from a step leaves."""
    gone = cut(name, count, kind)(numbered(journal))
    assert sorted(set(gone)) == gone
    return [fact for seq, fact in numbered(journal) if seq not in gone]


def do(key: str, order: int, at: int = 0) -> Settled:
    """Make the whole of a step that succeeded at once."""
    return Settled(key, "do", at, OK, b"", at, 1, at, order=order)


def old(fact: Fact) -> Fact:
    """Give the fact as older journals have it."""
    return replace(fact, order=0) if isinstance(fact, (Opened, Settled, Logged, Received)) else fact


ROW: list[Fact] = [
    Moved(RUNNING, 0),
    do("a-1", 1),
    do("b-1", 2),
    do("a-2", 3),
    do("c-1", 4),
    Moved(ERRORED, 9),
]


# -- which step -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count", "left"),
    [("a", 1, []), ("b", 1, ["a-1"]), ("a", 2, ["a-1", "b-1"]), ("c", 1, [1, 2, 3])],
)
def test_the_step_and_all_that_were_asked_for_after_it_are_forgotten(name, count, left):
    found = kept(ROW, name, count)
    assert len([fact for fact in found if isinstance(fact, Settled)]) == len(left)
    assert [fact for fact in found if isinstance(fact, Moved)] == [ROW[0], ROW[-1]]
    assert found == [*ROW[: 1 + len(left)], ROW[-1]]


@pytest.mark.parametrize(("name", "count"), [("d", 1), ("a", 3), ("a", 0), ("a-1", 1), ("", 1)])
def test_a_step_that_is_not_there_is_refused_in_cloudflares_words(name, count):
    with pytest.raises(WrongMove) as refused:
        kept(ROW, name, count)
    problem = f'(instance.cannot_restart) Step "{name}-{count}" not found in execution history'
    assert refused.value.message == problem
    assert refused.value.hint is not None


KINDS: list[Fact] = [
    do("a-1", 1),
    Opened("nap-1", "sleep", 0, order=2),
    Opened("wait-1", "waitForEvent", 0, order=3),
    Opened("ready-1", "poll", 0, order=4),
    Opened("rollback:a-1", "rollback", 0, order=5),
]


@pytest.mark.parametrize(
    ("name", "kind", "left"),
    [
        ("a", "do", 0),
        ("nap", "sleep", 1),
        ("wait", "waitForEvent", 2),
        ("ready", "poll", 3),
        ("ready", "do", 3),
    ],
)
def test_the_kind_may_be_told_and_a_poll_is_a_do(name, kind, left):
    assert kept(KINDS, name, 1, kind) == KINDS[:left]


@pytest.mark.parametrize(("name", "kind"), [("a", "sleep"), ("nap", "do"), ("wait", "poll"), ("a", "poll")])
def test_a_step_of_another_kind_is_not_found(name, kind):
    problem = rf'Step "{name}-1" of type \'{kind}\' not found in execution history$'
    with pytest.raises(WrongMove, match=problem):
        kept(KINDS, name, 1, kind)


def test_a_rollback_is_no_step_to_restart_from():
    with pytest.raises(WrongMove, match="not found"):
        kept(KINDS, "rollback:a", 1)


# -- what goes with it ------------------------------------------------------------------------------------


def test_of_parallel_steps_those_asked_for_before_it_stay_whenever_they_ended():
    journal: list[Fact] = [
        Opened("slow-1", "do", 0, order=1),
        Tried("slow-1", 1, 0),
        Opened("target-1", "do", 0, order=2),
        Failed("target-1", 1, 0, 5, BOOM.failure, 9),
        do("quick-1", 3),
        Settled("slow-1", "do", 8, OK, b"", 0, 1, 0, order=1),
        do("next-1", 4),
    ]
    assert kept(journal, "target") == [journal[0], journal[1], journal[5]]


def test_a_step_that_stays_and_is_under_way_keeps_what_is_known_of_it():
    journal: list[Fact] = [
        Opened("slow-1", "do", 0, order=1),
        Failed("slow-1", 1, 0, 5, BOOM.failure, 9),
        Tried("slow-1", 2, 9),
        do("target-1", 2),
    ]
    assert kept(journal, "target") == journal[:3]


def test_events_stay_with_the_steps_that_consumed_them_and_all_others_go():
    first, second, third = (event(number) for number in (1, 2, 3))
    waits = [Settled(f"wait-{n}", "waitForEvent", 0, OK, event=n, order=n + 1) for n in (1, 2)]
    journal: list[Fact] = [do("a-1", 1), first, second, third, *waits]
    assert kept(journal, "wait", 2) == [do("a-1", 1), first, waits[0]]
    assert kept(journal, "a") == []


def test_what_children_told_stays_as_they_tell_it_once():
    told = Received(1, CHILD + "0123", b"", 0, 0)
    journal: list[Fact] = [
        do("call-1", 1),
        told,
        Settled("call result-1", "waitForEvent", 0, OK, event=1, order=2),
        do("b-1", 3),
    ]
    assert kept(journal, "call result") == [journal[0], told]
    assert kept(journal, "b") == journal[:3]


def test_lines_of_the_code_stay_up_to_where_it_asked_for_the_step():
    lines = [Logged("info", f"after {n}", 0, order=n) for n in range(4)]
    in_step = Logged("info", "in a step", 0, source="step", order=0)
    journal: list[Fact] = [
        lines[0],
        do("a-1", 1),
        lines[1],
        do("b-1", 2),
        in_step,
        lines[2],
        do("c-1", 3),
        lines[3],
    ]
    assert kept(journal, "b") == [lines[0], do("a-1", 1), lines[1], in_step]
    assert kept(journal, "a") == [lines[0], in_step]


def test_rollbacks_and_that_there_were_any_are_forgotten():
    journal: list[Fact] = [
        do("a-1", 1),
        do("b-1", 2),
        Received(1, ROLL_BACK, b"", 0, 0, 2),
        Moved(ROLLING_BACK, 0),
        Opened("rollback:b-1", "rollback", 0, order=3),
        Failed("rollback:b-1", 1, 0, 0, BOOM.failure),
        Settled("rollback:b-1", "rollback", 0, BOOM, order=3),
        Moved(TERMINATED, 0),
    ]
    assert kept(journal, "b") == [journal[0], journal[-1]]


def test_rollbacks_go_also_when_code_that_asks_for_less_has_made_them():
    journal: list[Fact] = [do("a-1", 1), do("b-1", 2), do("c-1", 3), do("d-1", 4)]
    journal += [Moved(ROLLING_BACK, 0), Settled("rollback:c-1", "rollback", 0, OK, order=3)]
    assert kept(journal, "d") == journal[:3]


def test_a_cancellation_stays_when_the_code_came_to_the_step_because_of_it():
    asked = Received(1, CANCEL, b"", 0, 0, 2)
    journal: list[Fact] = [
        do("a-1", 1),
        Opened("b-1", "do", 0, order=2),
        asked,
        do("clean-1", 3),
        do("up-1", 4),
    ]
    assert kept(journal, "up") == journal[:4]
    assert kept(journal, "clean") == journal[:3]
    assert kept(journal, "b") == journal[:1]


# -- older journals ---------------------------------------------------------------------------------------


def test_where_facts_have_no_place_the_journals_order_is_theirs():
    lines = [Logged("info", f"after {n}", 0) for n in range(3)]
    journal: list[Fact] = [
        lines[0],
        do("a-1", 0),
        lines[1],
        Opened("b-1", "do", 0),
        Received(1, CANCEL, b"", 0, 0),
        do("c-1", 0),
        lines[2],
        Logged("info", "in a step", 0, source="step"),
        Settled("b-1", "do", 0, OK),
    ]
    assert kept(journal, "b") == [*journal[:3], journal[-2]]
    assert kept(journal, "c") == [*journal[:5], *journal[-2:]]


def test_a_journal_of_which_only_the_newer_part_has_places_is_an_older_one():
    later = [do("a-1", 0), do("b-1", 0), do("c-1", 3), do("d-1", 4)]
    journal: list[Fact] = [*[Moved(RUNNING, 0)] * 5, *later]
    assert kept(journal, "b") == journal[:6]
    assert kept(journal, "d") == journal[:8]


# -- and the code goes on ---------------------------------------------------------------------------------


def restarted(world: World, key: str, *, aged: bool = False) -> World:
    """Make the world in which the instance of another one has been restarted from a step."""
    name, _, count = key.rpartition("-")
    journal = [old(fact) if aged else fact for fact in world.facts()]
    left: list[Fact] = [*kept(journal, name, int(count)), Moved(QUEUED, world.now, detail={"restart": True})]
    return World(PLENTY, now=world.now, journal=[facts.encode(fact) for fact in left])


def of_code(keys: Iterable[str]) -> set[str]:
    """Leave out rollbacks: which of two steps of one name comes first may be another one the next time."""
    return {key for key in keys if not key.startswith(PREFIX)}


@given(TIDY, st.booleans(), st.data())
def test_the_step_and_what_comes_after_it_run_again_and_nothing_else(program, aged, data):
    world = World(PLENTY)
    ending = play_to_the_end(program, world)
    places = orders(world.facts())
    if not (keys := sorted(of_code(places))):
        return
    target = data.draw(st.sampled_from(keys))
    again = restarted(world, target, aged=aged)
    stay = settled(again.facts())
    result = play_to_the_end(program, again)
    journal = again.facts()
    assert outline(result) == outline(ending)
    assert sorted(logged(journal)) == sorted(logged(world.facts()))
    assert of_code(settled(journal)) == of_code(settled(world.facts()))
    if not aged:
        assert of_code(again.ran) == {key for key in of_code(world.ran) if places[key] >= places[target]}
        check_journal([fact for fact in journal if not isinstance(fact, Moved)])
        check_rollback(journal, result)
    assert not stay.keys() & set(again.ran)
    assert stay.items() <= settled(journal).items()


@given(WILD, worlds(), st.booleans(), st.data())
def test_whatever_the_code_does_it_fits_the_journal_that_is_left(program, world, aged, data):
    play_to_the_end(program, world)
    for _ in range(2):
        told = {fact.key for fact in world.facts() if isinstance(fact, (Opened, Settled))}
        if not (keys := sorted(of_code(told))):
            return
        world = restarted(world, data.draw(st.sampled_from(keys)), aged=aged)
        stay = settled(world.facts())
        ending = play_to_the_end(program, world)
        journal = world.facts()
        assert stay.items() <= settled(journal).items()
        assert not stay.keys() & set(world.ran), "a step that stays never runs again"
        if not aged:
            orders(journal)
            check_rollback(journal, ending)


PROGRAM: Code = Guard(
    Seq(
        (
            Say("begin"),
            Call("a"),
            All((Call("slow", takes_ms=20), Sleep("nap", 5), Seq((Call("x"), Say("half"), Call("y"))))),
            Race((Call("won"), Call("lost", takes_ms=9))),
            WaitForEvent("wait", "paid", 10**6),
            Call("z", undo=0),
        )
    ),
    Seq((Call("clean"), Call("up"))),
)


@pytest.mark.parametrize(
    ("key", "ran"),
    [
        ("a-1", {"a-1", "slow-1", "x-1", "y-1", "won-1", "lost-1", "z-1"}),
        ("slow-1", {"slow-1", "x-1", "y-1", "won-1", "lost-1", "z-1"}),
        ("nap-1", {"x-1", "y-1", "won-1", "lost-1", "z-1"}),
        ("y-1", {"y-1", "won-1", "lost-1", "z-1"}),
        ("won-1", {"won-1", "lost-1", "z-1"}),
        ("wait-1", {"z-1"}),
        ("z-1", {"z-1"}),
    ],
)
def test_a_program_runs_again_from_each_of_its_steps(key, ran):
    world = World(PLENTY)
    ending = play_to_the_end(PROGRAM, world)
    again = restarted(world, key)
    assert outline(play_to_the_end(PROGRAM, again)) == outline(ending)
    assert set(again.ran) == ran
    assert logged(again.facts()) == ["begin", "half"]


@pytest.mark.parametrize(
    ("key", "ran", "ended"),
    [
        ("up-1", {"up-1"}, TERMINATED),
        ("clean-1", {"clean-1", "up-1"}, TERMINATED),
        ("slow-1", {"slow-1", "x-1", "y-1", "won-1", "lost-1", "z-1"}, "complete"),
    ],
)
def test_one_that_was_cancelled_is_so_again_only_if_it_is_restarted_from_its_cleanup(key, ran, ended):
    world = World((event(1, CANCEL, at=10),))
    assert play_to_the_end(PROGRAM, world).status == TERMINATED
    again = restarted(world, key)
    assert play_to_the_end(PROGRAM, again).status == ended
    assert set(again.ran) == ran


def test_one_that_was_cancelled_twice_is_not_again_when_it_is_restarted_from_before():
    world = World(tuple(event(number, CANCEL, at=10) for number in (1, 2)))
    assert play_to_the_end(PROGRAM, world).status == TERMINATED
    again = restarted(world, "x-1")
    assert play_to_the_end(PROGRAM, again).status == "complete"


def test_a_restart_may_follow_a_restart():
    world = World(PLENTY)
    play_to_the_end(PROGRAM, world)
    for key, ran in (("won-1", {"won-1", "lost-1", "z-1"}), ("y-1", {"y-1", "won-1", "lost-1", "z-1"})):
        world = restarted(world, key)
        play_to_the_end(PROGRAM, world)
        assert set(world.ran) == ran
    assert [fact.detail for fact in world.facts() if isinstance(fact, Moved) and fact.status == QUEUED] == [
        {"restart": True},
        {"restart": True},
    ]


# -- changes of the code ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_a_change_that_the_code_took_in_after_the_step_is_forgotten(order: int):
    patched = Settled("patched:v2", "patch", 0, OK, order=order)
    left: list[Any] = kept([patched, do("a-1", 1), do("b-1", 2), do("c-1", 3)], "b")
    assert [fact.key for fact in left] == (["patched:v2", "a-1"] if order < 2 else ["a-1"])


def test_in_an_older_journal_a_change_lies_where_it_was_written():
    journal: list[Fact] = [
        Settled("patched:v1", "patch", 0, OK),
        do("a-1", 0),
        Settled("patched:v2", "patch", 0, OK, order=1),
    ]
    assert kept(journal, "a") == journal[:1]


def test_nobody_restarts_from_a_change():
    with pytest.raises(WrongMove):
        kept([do("a-1", 1), Settled("patched:v-2", "patch", 0, OK, order=1)], "patched:v", 2)
