"""What an exception carries comes back as the very same, or is refused."""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.errors import TooLarge, UnserializableError
from wflow.runtime import exact

LIMIT = 100_000


class Reason(enum.Enum):
    FUNDS = "funds"
    PAIR = (1, 2)


class Code(enum.IntEnum):
    A = 1


@dataclass(frozen=True)
class Detail:
    reason: Reason
    pair: tuple[int, int]


SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
HASHABLE = st.recursive(SCALAR, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3))
VALUE = st.recursive(
    SCALAR | st.sets(HASHABLE, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(HASHABLE, inner, max_size=3)
    ),
    max_leaves=10,
)


@given(VALUE)
def test_a_value_comes_back_as_the_very_same(value):
    back = exact.decode(exact.encode(value, limit=LIMIT))
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize(
    "value",
    [
        (),
        [(1, [2, (3,)])],
        {("a", 1): {None: (1,)}, 1.5: 2},
        Reason.FUNDS,
        (Reason.PAIR, Code.A),
        {Reason.FUNDS: Detail(Reason.PAIR, (1, 2))},
        {Detail(Reason.FUNDS, (1, 2))},
        [datetime(2026, 1, 1, tzinfo=UTC), Decimal("1.10"), UUID(int=1), frozenset({(1,)})],
    ],
)
def test_tuples_enums_and_dataclasses_are_what_they_were(value):
    back = exact.decode(exact.encode(value, limit=LIMIT))
    assert (type(back), back) == (type(value), value)


def test_what_would_come_back_as_something_else_is_refused():
    @dataclass
    class Local:
        a: int

    knot: list[object] = []
    knot.append(knot)
    for value in (Local(1), [Local], object(), OrderedDict(a=1), type("Text", (str,), {})("x"), knot):
        with pytest.raises(UnserializableError):
            exact.encode(value, limit=LIMIT)
    with pytest.raises(TooLarge):
        exact.encode("x" * LIMIT, limit=LIMIT)


def test_a_class_that_has_the_name_of_another_is_not_that_one():
    imposter: Any = dataclass(type("Detail", (), {"__module__": Detail.__module__}))
    with pytest.raises(UnserializableError, match="a Detail would not come back as itself"):
        exact.encode(imposter(), limit=LIMIT)


def test_a_class_is_found_by_its_path():
    assert exact.find(exact.path_of(Detail)) is Detail
    with pytest.raises(AttributeError):
        exact.find("builtins:nothing")
