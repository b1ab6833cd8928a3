from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wflow.runner.shares import Ask, share, share_but

ASKS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(Ask, has=st.integers(0, 30), most=st.integers(0, 30), served=st.integers(0, 5)),
    max_size=6,
)


def test_whoever_has_least_gets_all_until_it_has_what_the_next_one_has():
    asks = {"big": Ask(has=90, most=128), "small": Ask(has=0, most=128), "other": Ask(has=5, most=128)}
    assert share(10, asks) == {"big": 0, "small": 8, "other": 2}
    assert share(1, asks) == {"big": 0, "small": 1, "other": 0}


def test_what_one_cannot_use_goes_to_the_others():
    asks = {"a": Ask(has=0, most=2), "b": Ask(has=0, most=100), "c": Ask(has=0, most=100)}
    assert share(10, asks) == {"a": 2, "b": 4, "c": 4}


def test_of_those_that_have_the_same_it_is_anothers_turn():
    asks = {"a": Ask(has=3, most=9, served=7), "b": Ask(has=3, most=9, served=2)}
    assert share(1, asks) == {"a": 0, "b": 1}
    assert share(3, asks) == {"a": 1, "b": 2}


@given(st.integers(0, 100), ASKS)
def test_shares_are_max_min_fair(free: int, asks: dict[str, Ask]):
    given = share(free, asks)
    assert sum(given.values()) == min(free, sum(ask.most for ask in asks.values()))
    for name, ask in asks.items():
        assert 0 <= given[name] <= ask.most
        if given[name] < ask.most:
            # Whoever got something has, with all of it but the last, no more than who wants more.
            others = [asks[one].has + given[one] - 1 for one in asks if given[one]]
            assert all(has <= ask.has + given[name] for has in others)


def test_the_last_slots_are_for_those_who_have_less_than_an_even_share():
    asks = {"big": Ask(has=50, most=100), "small": Ask(has=0, most=3)}
    assert share_but(10, 20, {"big": asks["big"]}, even=40) == {"big": 10}
    assert share_but(10, 5, asks, even=40) == {"big": 0, "small": 3}
    assert share_but(10, 20, asks, even=100) == {"big": 17, "small": 3}


@given(st.integers(0, 100), st.integers(0, 20), st.integers(1, 60), ASKS)
def test_nobody_who_has_much_gets_into_the_reserve(free: int, reserve: int, even: int, asks: dict[str, Ask]):
    given = share_but(reserve, free, asks, even=even)
    assert all(0 <= given[name] <= ask.most for name, ask in asks.items())
    assert sum(given.values()) <= free
    rich = sum(count for name, count in given.items() if asks[name].has >= even)
    assert rich <= max(0, free - reserve)
    wanted = sum(ask.most for ask in asks.values())
    if sum(given.values()) < min(free, wanted):
        assert free - sum(given.values()) <= reserve
