from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runner.stage import PaperPeer, build, entry
from wflow.runner.beginnings import AT_WORK, GOAL_MS, LEAST, STUCK_MS, Beginnings
from wflow.runner.peer import FRESH

if TYPE_CHECKING:
    from collections.abc import Callable


class Runtime:
    """A runtime of paper that is handed turns and begins them when the test says, at the time it says."""

    def __init__(self, beginnings: Beginnings, clock: Clock, version: str = "v1") -> None:
        self.peer = PaperPeer(build(entry("orders"), version=version))
        self._beginnings = beginnings
        self._clock = clock
        self._next = 0

    def hand(self, count: int, workflow: str = "orders") -> list[int]:
        handed = list(range(self._next, self._next + count))
        self._next += count
        for instance in handed:
            self.peer.fresh.add(instance)
            self.peer.holds[instance] = None  # type: ignore[assignment]
            self._beginnings.handed(self.peer, instance, workflow)  # type: ignore[arg-type]
        return handed

    def begin(self, handed: list[int], *, after_ms: float = 0) -> None:
        self._clock.now += after_ms / 1000
        self.peer.fresh.difference_update(handed)
        assert self.peer.on_fresh is not None
        self.peer.on_fresh()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[bool]:
    """Give what is longer by one each time that there may be room for more."""
    return []


@pytest.fixture
def beginnings(clock: Clock, told: list[bool]) -> Beginnings:
    return Beginnings(clock, lambda: told.append(True))


@pytest.fixture
def made(beginnings: Beginnings, clock: Clock) -> Callable[..., Runtime]:
    return lambda version="v1": Runtime(beginnings, clock, version)


def allowed(beginnings: Beginnings, strength: int = 1) -> int:
    return beginnings.allowed("shop", "v1", strength)


def test_what_was_handed_over_counts_until_it_has_begun(beginnings, made, told):
    runtime = made()
    first = runtime.hand(3)
    runtime.hand(2, "returns")
    assert beginnings.count() == {"orders": 3, "returns": 2}
    runtime.begin(first[:2])
    assert beginnings.count() == {"orders": 1, "returns": 2}
    assert told == [True]


def test_whoever_waits_for_room_hears_of_it_when_there_is_a_quarter_of_all(beginnings, made, told):
    runtime = made()
    handed = runtime.hand(FRESH)
    runtime.begin(handed[: FRESH // 4 - 1])
    assert told == []
    runtime.begin(handed[: FRESH // 4])
    assert told == [True]


def test_each_runtime_that_is_up_or_comes_up_may_have_its_share(beginnings, made):
    assert allowed(beginnings) == FRESH
    assert allowed(beginnings, 3) == 3 * FRESH
    made().hand(1)
    assert allowed(beginnings, 3) == 3 * FRESH
    assert beginnings.allowed("another", "v1", 1) == FRESH


def test_a_runtime_that_is_slow_to_begin_one_more_gets_fewer_and_more_when_it_is_quick_again(
    beginnings, made
):
    runtime = made()
    runtime.begin(runtime.hand(AT_WORK))
    for _ in range(12):
        runtime.begin(runtime.hand(10), after_ms=10 * GOAL_MS)
    assert allowed(beginnings) == LEAST
    for _ in range(30):
        runtime.begin(runtime.hand(10), after_ms=1)
    assert allowed(beginnings) == FRESH


def test_those_that_were_on_their_way_together_count_as_one_lesson(beginnings, made, clock):
    runtime = made()
    runtime.begin(runtime.hand(AT_WORK), after_ms=1)
    clock.now += 1
    runtime.begin(runtime.hand(100), after_ms=2 * GOAL_MS)
    assert allowed(beginnings) == FRESH // 2


def test_a_runtime_that_runs_little_may_have_more_however_slow_it_is(beginnings, made):
    runtime = made()
    for _ in range(12):
        runtime.begin(runtime.hand(10), after_ms=10 * GOAL_MS)
    assert allowed(beginnings) == FRESH
    runtime.begin(runtime.hand(AT_WORK - 150))
    assert allowed(beginnings) == 30


def test_a_runtime_that_begins_nothing_does_not_count_and_gets_nothing_for_it(beginnings, made, clock):
    stuck, other = made(), made("v2")
    stuck.hand(FRESH)
    other.hand(1)
    assert beginnings.count() == {"orders": FRESH + 1}
    clock.now += STUCK_MS / 1000 + 0.1
    other.begin([0])
    assert beginnings.count() == {}
    assert beginnings.allowed("shop", "v2", 1) == FRESH


def test_new_code_gets_its_share_though_the_process_with_the_old_code_is_stuck(beginnings, made, clock):
    old = made()
    old.hand(FRESH)
    clock.now += STUCK_MS / 1000 + 0.1
    assert allowed(beginnings) == 0, "nobody else could play it"
    old.peer.draining = True
    assert allowed(beginnings) == FRESH
    made().hand(1)
    assert allowed(beginnings) == FRESH


def test_a_runtime_that_is_dead_is_forgotten(beginnings, made):
    runtime = made()
    runtime.hand(5)
    runtime.peer.alive = False
    assert beginnings.count() == {}
    assert allowed(beginnings) == FRESH
