from __future__ import annotations

import enum
import math
import os
import subprocess
import sys
from collections import Counter, OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic  # noqa: TID251 - what users write their models with
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.engine import values
from wflow.engine.names import NESTING, VALUE_BYTES
from wflow.errors import TooLarge, UnserializableError


class Colour(enum.Enum):
    RED = "red"
    MIX = ("red", 3)
    DICT = {"a": 1}  # noqa: RUF012 - a value that hashes as a member and not as itself
    SET = {1}  # noqa: RUF012


class Level(enum.IntEnum):
    LOW = 1


class Flag(enum.Flag):
    A = 1
    B = 2


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not me"


class Number(int):
    pass


class Share(float):
    pass


class Raw(bytes):
    pass


Point = namedtuple("Point", "x y")  # noqa: PYI024 - what users write


@dataclass
class Order:
    id: Any
    lines: list[Any] = field(default_factory=list)
    total: Decimal = field(init=False)


class Line(msgspec.Struct, rename="camel", tag="line"):
    item_name: str
    note: str | msgspec.UnsetType = msgspec.UNSET


class Row(msgspec.Struct, array_like=True, tag=True):
    a: int
    b: set[int]


class Cell(msgspec.Struct, array_like=True):
    a: int


class Customer(pydantic.BaseModel):
    given_name: str = pydantic.Field(alias="givenName")
    colour: Colour = Colour.RED
    site: pydantic.HttpUrl | None = None
    folder: PurePosixPath | None = None
    by_day: dict[date, int] = {}
    secret: pydantic.SecretStr | None = None
    lock: Any = None

    @pydantic.computed_field
    def initial(self) -> str:
        return self.given_name[0]


class Grumpy(pydantic.BaseModel):
    n: int = 1

    @pydantic.field_serializer("n")
    def refuse(self, value: int) -> int:
        raise LookupError("not today")


class Numbers(pydantic.RootModel[list[int]]):
    pass


@pydantic.dataclasses.dataclass(frozen=True)
class Checked:
    site: pydantic.HttpUrl


SITE = pydantic.HttpUrl("http://a.b")
MODEL: dict[str, object] = {
    "given_name": "Ada",
    "colour": "red",
    "site": None,
    "folder": None,
    "by_day": {},
    "secret": None,
    "lock": None,
}

SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
)
HASHABLE = st.recursive(
    SCALAR, lambda inner: st.frozensets(inner, max_size=3) | st.tuples(inner, inner), max_leaves=6
)
KEY = st.text() | st.integers(-(2**63), 2**64 - 1)
VALUE = st.recursive(
    SCALAR | st.sets(HASHABLE, max_size=3) | st.frozensets(HASHABLE, max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4),
    max_leaves=12,
)


def there_and_back(value: object) -> object:
    return values.decode(values.encode(value))


@given(VALUE)
def test_a_value_comes_back_as_itself(value):
    back = there_and_back(value)
    assert back == value
    assert type(back) is type(value)


@given(VALUE)
def test_what_came_back_once_comes_back_the_same_for_ever(value):
    assert values.encode(there_and_back(value)) == values.encode(value)


@given(st.one_of(VALUE, HASHABLE))
def test_what_people_are_shown_fits_json_and_msgpack(value):
    shown = values.json_ready(there_and_back(value))
    msgspec.json.encode(shown)
    msgspec.msgpack.encode(shown)


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (Colour.RED, "red"),
        (Colour.MIX, ["red", 3]),
        (Level.LOW, 1),
        (Flag.A | Flag.B, 3),
        (Name("abc"), "abc"),
        ({Name("abc"): 1}, {"abc": 1}),
        (Number(2**70), 2**70),
        (Share(0.5), 0.5),
        (Raw(b"x"), b"x"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"xyz")[::2], b"xz"),
        ({Colour.RED}, {"red"}),
        ({Colour.MIX}, {("red", 3)}),
        ({1: "a", "1": "b"}, {1: "a", "1": "b"}),
        ({Colour.RED: 1, Level.LOW: 2}, {"red": 1, 1: 2}),
        (Order(1, [Point(1, 2)]), {"id": 1, "lines": [[1, 2]]}),
        (Line("pen"), {"type": "line", "itemName": "pen"}),
        (Row(1, {2}), ["Row", 1, {2}]),
        (Cell(1), [1]),
        (Customer(givenName="Ada"), MODEL),
        (
            Customer(givenName="Ada", site=SITE, folder=PurePosixPath("/c"), by_day={date(2026, 1, 2): 3}),
            MODEL | {"site": "http://a.b/", "folder": "/c", "by_day": {"2026-01-02": 3}},
        ),
        (Numbers([1, 2]), [1, 2]),
        (Checked(SITE), {"site": "http://a.b/"}),
    ],
)
def test_what_has_no_type_of_its_own_comes_back_as_the_nearest(value, back):
    found = there_and_back(value)
    assert (found, type(found)) == (back, type(back))


@pytest.mark.parametrize(
    "number",
    [2**63 - 1, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 255, 256, -256]
    + [pytest.param(sign * 10**5_000, id=f"{sign} and 5,000 digits") for sign in (1, -1)],
)
def test_whole_numbers_have_no_limit(number):
    assert there_and_back(number) == number


def test_a_moment_in_a_zone_keeps_its_instant_and_its_offset():
    moment = datetime(2024, 7, 1, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    back = there_and_back(moment)
    assert isinstance(back, datetime)
    assert (back, back.utcoffset()) == (moment, moment.utcoffset())


def test_a_time_with_an_offset_comes_back():
    odd = time(1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-3, minutes=-7)))
    assert there_and_back([odd, timedelta.min, timedelta.max, date.max]) == [
        odd,
        timedelta.min,
        timedelta.max,
        date.max,
    ]


def test_not_a_number_and_the_infinities_come_back():
    assert there_and_back([math.inf, -math.inf]) == [math.inf, -math.inf]
    assert str(there_and_back([math.nan, Decimal("NaN")])) == "[nan, Decimal('NaN')]"


@pytest.mark.parametrize(
    ("value", "where", "problem"),
    [
        (object(), "value", "a builtins.object cannot be kept; use JSON's types"),
        ([1, {"a": (0, Order(object()))}], "value[1]['a'][1]['id']", "a builtins.object cannot be kept"),
        (Line(cast("str", print)), "value['itemName']", "a builtins.builtin_function_or_method"),
        (Order, "value", "a builtins.type cannot be kept"),
        ([Customer(givenName="x", lock=object())], "value[0]['lock']", "a builtins.object cannot be kept"),
        (
            Customer(givenName="x", secret=pydantic.SecretStr("y")),
            "value['secret']",
            "a pydantic.types.SecretStr cannot be kept",
        ),
        (Customer(givenName="x", lock={None: 1}), "value['lock']", "not None"),
        ([Grumpy()], "value[0]", "Grumpy cannot be read: PydanticSerializationError: Error calling function"),
        ([PurePosixPath("/a")], "value[0]", "PurePosixPath cannot be kept"),
        ({"a": {Colour.RED: 1, "red": 2}}, "value['a']", "two of its keys would come back as one"),
        ({Colour.MIX: 1}, "value", "not ('red', 3)"),
        ({Checked(SITE)}, "value{...}", "a Checked would come back as what no set can hold"),
        ({"f": print}, "value['f']", "a builtins.builtin_function_or_method"),
        ({"s": {1, (2, object)}}, "value['s']{...}[1]", "a builtins.type"),
        ((x for x in "ab"), "value", "a builtins.generator"),
        (1j, "value", "a builtins.complex"),
        ({1.5: 1}, "value", "a dict's keys must be text or whole numbers of 64 bits, not 1.5"),
        ([{None: 1}], "value[0]", "not None"),
        ({True: 1}, "value", "not True"),
        ({2**64: 1}, "value", "not 18446744073709551616"),
        ({(1,): 1}, "value", "not (1,)"),
        ("a\ud800", "value", "is no Unicode: it has a lone surrogate"),
        ([Name("\udfff")], "value[0]", "is no Unicode"),
        ({"a": {"\ud800": 1}}, r"value['a']['\ud800']", "is no Unicode"),
        ({Colour.DICT}, "value{...}", "a Colour would come back as what no set can hold"),
        ({(Colour.SET, 1)}, "value{...}", "a tuple would come back as what no set can hold"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(value, where, problem):
    with pytest.raises(UnserializableError) as refused:
        values.encode(value)
    path, _, told = str(refused.value).partition(": ")
    assert path == where
    assert problem in told


def test_lists_may_nest_to_the_limit_and_no_deeper():
    deep: list[object] = []
    for _ in range(NESTING):
        deep = [deep]
    assert there_and_back(deep) == deep
    with pytest.raises(UnserializableError, match=f"nested more than {NESTING} levels"):
        values.encode([deep])


def test_a_value_that_contains_itself_is_refused():
    knot: dict[str, object] = {}
    knot["self"] = [knot]
    with pytest.raises(UnserializableError, match="or contains itself"):
        values.encode(knot)


def test_a_model_that_contains_itself_is_refused():
    order = Order(1)
    order.lines.append(order)
    with pytest.raises(UnserializableError, match="or contains itself"):
        values.encode(order)


def test_sets_in_sets_nest_to_the_limit_too():
    deep: frozenset[object] = frozenset()
    for _ in range(NESTING):
        deep = frozenset([deep])
    assert there_and_back(deep) == deep
    with pytest.raises(UnserializableError, match="nested"):
        values.encode({deep})


def test_a_large_value_is_refused_with_its_size_and_the_limit():
    fits = b"x" * (VALUE_BYTES - 5)
    assert len(values.encode(fits)) == VALUE_BYTES
    with pytest.raises(TooLarge, match=r"the value takes 1,048,577 bytes; the limit is 1,048,576") as refused:
        values.encode(fits + b"x")
    assert refused.value.hint is not None
    with pytest.raises(TooLarge, match="the limit is 4"):
        values.encode("four", limit=4)


def test_a_digest_tells_one_list_of_arguments_from_another():
    assert len(values.digest_of((1, "a"))) == 8
    assert values.digest_of((1, "a")) == values.digest_of((1, "a"))
    assert values.digest_of((1, "a")) != values.digest_of(("a", 1))
    assert values.digest_of(()) != values.digest_of((None,))


def test_arguments_that_cannot_be_kept_have_no_digest():
    assert values.digest_of((object(),)) == b""
    assert values.digest_of(("\ud800",)) == b""
    assert values.digest_of((b"x" * (VALUE_BYTES * 64),)) == b""


def test_a_digest_is_the_same_in_every_process():
    code = "from wflow.engine import values; print(values.digest_of(({*'abcdef'}, frozenset('xyz'))).hex())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_people_are_shown_jsons_types():
    value = {
        1: b"\x00\xff",
        "set": {3},
        "frozen": frozenset("a"),
        "big": -(2**70),
        "at": datetime(2024, 1, 2, tzinfo=UTC),
        "day": date(2024, 1, 2),
        "money": Decimal("1.10"),
        "id": UUID(int=1),
        "list": [None, True, 1, 1.5, "x"],
        "tuple": {(1, 2)},
    }
    assert values.json_ready(there_and_back(value)) == {
        "1": "AP8=",
        "set": [3],
        "frozen": ["a"],
        "big": str(-(2**70)),
        "at": "2024-01-02T00:00:00Z",
        "day": "2024-01-02",
        "money": "1.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "list": [None, True, 1, 1.5, "x"],
        "tuple": [[1, 2]],
    }


def test_nothing_is_one_byte_that_others_may_write():
    assert values.encode(None) == values.NONE
    assert values.decode(values.NONE) is None
