"""Programs and worlds to draw, and what must hold of every journal that they lead to."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st

from tests.engine.driver import Ending, World
from tests.engine.play import event
from tests.engine.programs import All, Call, Code, Fail, Guard, Program, Race, Say, Seq
from wflow.engine.facts import Fact, Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Ok
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.engine.status import ENDED, ROLLING_BACK
from wflow.engine.steps.rollback import PREFIX
from wflow.engine.steps.sleep import Sleep
from wflow.engine.steps.wait_for_event import WaitForEvent

LONG = 10**9
TYPES = ("paid", "shipped")

SLEEP = st.builds(Sleep, st.just("nap"), st.integers(0, 30)) | st.builds(
    Sleep, st.just("until"), until=st.integers(-5, 40)
)
SAY = st.builds(Say, st.sampled_from("xyz"))
NAMES = st.sampled_from("abc")
UNDO = st.none() | st.integers(0, 3)


def calls(*, spare: int) -> st.SearchStrategy[Call]:
    """Steps that fail for good, or have ``spare`` attempts more than they need."""
    works = st.builds(
        lambda name, failures, takes, undo: Call(name, failures, failures + spare, takes, undo=undo),
        NAMES,
        st.integers(0, 2),
        st.integers(0, 20),
        UNDO,
    )
    fails = st.builds(Call, NAMES, st.just(99), st.integers(0, 1), st.integers(0, 20), st.booleans(), UNDO)
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
TIDY: st.SearchStrategy[Program] = CALM | st.builds(lambda body: Seq((body, Fail())), CALM)
"""As CALM; or they fail when all is done, and undo it."""
BRANCHES = trees(
    calls(spare=0)
    | st.builds(Call, NAMES, takes_ms=st.integers(0, 20), undo=UNDO, once=st.just(True))
    | SLEEP
    | SAY
    | st.just(Fail())
    | st.builds(WaitForEvent, st.just("wait"), st.sampled_from(TYPES), st.integers(0, 40)),
    races=True,
)
WILD: st.SearchStrategy[Code] = BRANCHES | st.builds(Guard, BRANCHES, BRANCHES, st.booleans())


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[Received, ...]:
    """Draw events and requests in the order of their numbers and times, as a store gives them out."""
    times = sorted(draw(st.lists(st.integers(0, 50), max_size=8)))
    types = st.sampled_from((*TYPES, *TYPES, *TYPES, CANCEL, ROLL_BACK))
    return tuple(event(n, draw(types), at=at) for n, at in enumerate(times, 1))


@st.composite
def pauses(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Draw pauses, one after the other; they are long, as no deadline is."""
    return tuple((since, since + 1_000) for since in sorted(draw(st.sets(st.integers(0, 40), max_size=2))))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world in which all kinds of things happen, none of them the end of a process."""
    return World(draw(deliveries()), pauses=draw(pauses()))


PLENTY = tuple(event(number, at=3 * number) for number in range(1, 11))


def outline(result: object) -> object:
    """Leave out what depends on the timing: which of several events came, which attempt died in a crash."""
    match result:
        case ("event", int()) | ("error", str()):
            return result[0]
        case tuple():
            return tuple(outline(item) for item in result)
        case Ending(ended, inner, undone):
            return (ended, outline(inner), undone)
    return result


def settled(journal: list[Fact]) -> dict[str, Settled]:
    """Map keys to their outcomes, of which each has one."""
    found = [fact for fact in journal if isinstance(fact, Settled)]
    by_key = {fact.key: fact for fact in found}
    assert len(by_key) == len(found)
    return by_key


def logged(journal: list[Fact]) -> list[str]:
    return [fact.message for fact in journal if isinstance(fact, Logged)]


def orders(journal: list[Fact]) -> dict[str, int]:
    """Map keys to the places of their steps, of which each has one, and no other step has that."""
    found = {(fact.key, fact.order) for fact in journal if isinstance(fact, (Opened, Settled))}
    by_key = dict(found)
    assert len(found) == len(by_key) == len(set(by_key.values()))
    return by_key


def check_journal(journal: list[Fact]) -> None:
    """Check what holds of every journal."""
    settled(journal)
    orders(journal)
    assert max(Counter(fact.key for fact in journal if isinstance(fact, Opened)).values(), default=1) == 1
    assert max(Counter(fact.event for fact in journal if isinstance(fact, Received)).values(), default=1) == 1
    ends = [fact for fact in journal if isinstance(fact, Moved) and fact.status in ENDED]
    assert ends in ([], journal[-1:])


def check_rollback(journal: list[Fact], ending: Ending) -> None:
    """Check that what began is undone, the last first, and that nothing else is done meanwhile."""
    begins = [n for n, fact in enumerate(journal) if isinstance(fact, Moved) and fact.status == ROLLING_BACK]
    assert bool(begins) is (ending.undone is not None)
    first = begins[0] if begins else len(journal)
    done, undone = journal[:first], journal[first:]
    assert not [fact for fact in steps(done) if fact.key.startswith(PREFIX)]
    assert not [fact for fact in steps(undone) if not fact.key.startswith(PREFIX)]
    if not begins:
        return
    places = orders(done)
    can_be = {fact.key for fact in done if isinstance(fact, (Opened, Settled)) and "rollback" in fact.detail}
    order = [fact.key.removeprefix(PREFIX) for fact in undone if isinstance(fact, Settled)]
    assert order == sorted(order, key=places.__getitem__, reverse=True)
    outcomes = [isinstance(fact.outcome, Ok) for fact in undone if isinstance(fact, Settled)]
    assert all(outcomes[:-1])
    assert ending.undone is all(outcomes)
    began = {fact.key for fact in steps(done) if not isinstance(fact, Opened)} & can_be
    assert set(order) <= can_be
    if ending.undone:
        assert began <= set(order)


def steps(journal: list[Fact]) -> list[Opened | Tried | Failed | Settled]:
    return [fact for fact in journal if isinstance(fact, (Opened, Tried, Failed, Settled))]
