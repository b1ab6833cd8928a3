from __future__ import annotations

import dataclasses
import enum
import math
import typing
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Protocol,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import msgspec
import pydantic  # noqa: TID251 - what users write their models with
import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st

from wflow.engine import values
from wflow.engine.typed import restore, text
from wflow.errors import MismatchError

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found] # noqa: TC004 - as users have it

T = TypeVar("T")
Cents = NewType("Cents", int)


class Colour(enum.Enum):
    RED = "red"
    MIX = ("red", 3)
    ODD = object()


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


Many: Any = enum.IntEnum("Many", [f"N{n}" for n in range(12)], start=0)  # type: ignore[misc]


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Options(TypedDict, total=False):
    colour: Colour
    size: Required[int]


class Request(TypedDict):
    at: datetime
    options: NotRequired[Options]


@dataclass(frozen=True, slots=True)
class Line:
    item: str
    price: Decimal
    date: date  # a field may be called what its type is called
    tags: frozenset[str] = frozenset()


@dataclass
class Order:
    id: UUID
    lines: list[Line]
    colour: Colour | None = None
    parent: Order | None = None
    point: Point = Point(0)  # noqa: RUF009 - a tuple does not change
    total: Decimal = field(init=False, default=Decimal(0))
    unknown: Unknown = None

    def __post_init__(self) -> None:
        self.total = sum((line.price for line in self.lines), Decimal(0))


@dataclass
class Page(Generic[T]):
    items: list[T]
    first: T
    last: T | None = None


@dataclass
class Salted:
    """Its __init__ wants more than its fields."""

    key: str
    salt: InitVar[str]
    extra: list[int] = field(default_factory=list)
    more: int = 3

    def __post_init__(self, salt: str) -> None:
        self.key += salt


@dataclass
class Plain:
    a: int


class Child(Plain):
    """Its __init__ is not the one that a dataclass has."""

    def __init__(self, text: str) -> None:
        super().__init__(len(text))


@dataclass(init=False)
class ByHand:
    a: int
    b: int

    def __init__(self, both: int) -> None:
        self.a = self.b = both


@dataclass
class Positive:
    n: int

    def __post_init__(self) -> None:
        if self.n <= 0:
            raise ValueError("it must be more than 0")


@dataclass
class Cat:
    name: str
    lives: int = 9


@dataclass
class Dog:
    name: str
    tricks: list[str] = field(default_factory=list)


class Item(msgspec.Struct, rename="camel", tag="item"):
    item_name: str
    sizes: dict[int, str] = {}
    line: Line | None = None
    at: datetime | None = None
    numbers: set[int] = set()
    customer: Customer | None = None


class Box(msgspec.Struct, Generic[T]):
    it: T


class Unreadable(msgspec.Struct):
    one: Line | Plain


class Customer(pydantic.BaseModel):
    given_name: str = pydantic.Field(alias="givenName")
    colour: Colour = Colour.RED
    site: pydantic.HttpUrl | None = None
    folder: PurePosixPath | None = None
    point: tuple[int, int] = (0, 0)


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    colour: Colour
    pair: tuple[int, int]
    at: datetime | None = None


class Angry(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def check(cls, value: int) -> int:
        if value == 13:
            raise RuntimeError("bad luck")
        return value


@pydantic.dataclasses.dataclass
class Checked:
    n: int


Customer.model_rebuild()


class Own:
    pass


class Named(Protocol):
    name: str


LINE = Line("pen", Decimal("1.50"), date(2026, 1, 2), frozenset("ab"))
ORDER = Order(UUID(int=7), [LINE, LINE], Colour.MIX, Order(UUID(int=8), []), Point(1, 2.5))
CUSTOMER = Customer(
    givenName="Ada",
    colour=Colour.RED,
    site=pydantic.HttpUrl("http://a.b/c"),
    folder=PurePosixPath("/d"),
    point=(1, 2),
)
ITEM = Item("pen", {1: "s"}, LINE, datetime(2026, 1, 2, tzinfo=UTC), {1, 2}, CUSTOMER)


def there_and_back(value: object, wanted: object) -> Any:
    return restore(values.decode(values.encode(value)), wanted)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, with types and all, all the way down."""
    if type(one) is not type(other) or one != other:
        return False
    match one:
        case dict():
            return all(map(same, one, other)) and all(map(same, one.values(), other.values()))
        case list() | tuple():
            return all(map(same, one, other))
        case set() | frozenset():
            return Counter(map(type, one)) == Counter(map(type, other))
    return True


# -- there and back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (Any, [1, {"a": None}]),
        (object, {"a": 1}),
        (T, 1),
        (Own, {"a": 1}),
        (Named, "x"),
        ("a text", 1),
        ([int], 1),
        (None, None),
        (int, True),
        (int, 2**70),
        (float, 10**400),
        (float, 2**53 + 1),
        (bytearray, bytearray(b"x")),
        (date, datetime(2026, 1, 2)),  # noqa: DTZ001 - a naive one is a value too
        (list, [1, "a"]),
        (typing.List, [1]),  # noqa: UP006 - what older code says
        (Sequence[Decimal], [Decimal(1)]),
        (tuple, (1, 2)),
        (tuple[int, ...], ()),
        (tuple[int, str], (1, "a")),
        (set, {1}),
        (set[Colour], {Colour.RED, Colour.MIX}),
        (frozenset[tuple[int, Level]], frozenset({(1, Level.LOW)})),
        (AbstractSet[int], {1}),
        (dict, {"a": 1}),
        (Mapping[str, Point], {"a": Point(1, 2.0)}),
        (dict[Level, Colour], {Level.HIGH: Colour.RED}),
        (dict[Colour, int], {Colour.RED: 1}),
        (OrderedDict[str, Level], OrderedDict(b=Level.LOW, a=Level.HIGH)),
        (Counter[str], Counter("aab")),
        (Colour | None, Colour.RED),
        (Colour | None, None),
        (typing.Union[int, str], "1"),  # noqa: UP007 - what older code says
        (int | float, 1),
        (int | float, 1.0),
        (datetime | str, "2026-01-02T03:04:05Z"),
        (datetime | date, date(2026, 1, 2)),
        (list[int] | set[int], {1}),
        (set[int] | list[int], [1]),
        (Cat | Dog, Dog("Rex")),
        (Cat | Dog, Dog("Rex", ["sit"])),
        (Dog | Cat, Cat("Tom", 3)),
        (Own | Dog, Dog("Rex")),
        (dict[str, Cat | None], {"a": None, "b": Cat("Tom")}),
        (Literal["a", 1], 1),
        (Literal[True, "yes"], True),
        (Literal[Colour.RED, "x"], Colour.RED),
        (Cents, Cents(5)),
        (list[Annotated[Decimal, "money"]], [Decimal("1.10")]),
        (Colour, Colour.RED),
        (Colour, Colour.MIX),
        (Level, Level.HIGH),
        (Right, Right.READ | Right.WRITE),
        (Point, Point(1, 2.0)),
        (Request, {"at": datetime(2026, 1, 2), "options": {"colour": Colour.RED, "size": 1}}),  # noqa: DTZ001
        (Line, LINE),
        (Order, ORDER),
        (Page[Level], Page([Level.LOW], Level.HIGH, Level.LOW)),
        (Page, Page[Any]([1], None)),
        (Child, Child("abc")),
        (ByHand, ByHand(3)),
        (Item, ITEM),
        (Box[int], Box(3)),
        (Customer, CUSTOMER),
        (list[Customer | Cat], [CUSTOMER, Cat("Tom")]),
        (Strict, Strict(colour=Colour.MIX, pair=(1, 2))),
        (Checked, Checked(3)),
        (pydantic.RootModel[list[int]], pydantic.RootModel[list[int]]([1])),
    ],
)
def test_a_value_comes_back_as_the_type_that_is_declared(wanted, value):
    assert same(there_and_back(value, wanted), value)


def test_a_dataclass_comes_back_with_what_its_init_does_not_take():
    made = Order(UUID(int=1), [LINE])
    made.total = Decimal(99)
    assert there_and_back(made, Order).total == Decimal(99)


def test_a_dataclass_whose_init_wants_more_than_its_fields_is_made_without_it():
    back = there_and_back(Salted("a", "b"), Salted)
    assert back == Salted("a", "b")
    one: Any = restore({"key": "x"}, Salted)
    other: Any = restore({"key": "x"}, Salted)
    assert one == other == Salted("x", "")
    assert one.extra is not other.extra


def test_bare_parents_of_models_take_what_is_there():
    assert restore({"n": 1}, pydantic.BaseModel) == {"n": 1}
    assert restore({"n": 1}, msgspec.Struct) == {"n": 1}


def test_an_alias_is_what_it_stands_for():
    # What `type Colours = list[Colour]` makes from Python 3.12 on.
    alias = typing_extensions.TypeAliasType("alias", list[Colour])
    assert restore(["red"], alias) == [Colour.RED]


def fitted(kind: Any, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return strategy.map(lambda value: (kind, value))


LEAF = st.one_of(
    fitted(NoneType, st.none()),
    fitted(bool, st.booleans()),
    fitted(int, st.integers()),
    fitted(float, st.floats(allow_nan=False)),
    fitted(str, st.text()),
    fitted(bytes, st.binary()),
    fitted(datetime, st.datetimes(timezones=st.none() | st.just(UTC))),
    fitted(date, st.dates()),
    fitted(time, st.times()),
    fitted(timedelta, st.timedeltas()),
    fitted(Decimal, st.decimals(allow_nan=False)),
    fitted(UUID, st.uuids()),
    fitted(Colour, st.sampled_from([Colour.RED, Colour.MIX])),
    fitted(Level, st.sampled_from(Level)),
    fitted(Right, st.sampled_from(Right)),
    fitted(Literal["a", 2], st.sampled_from(["a", 2])),
    fitted(Point, st.builds(Point, st.integers(), st.floats(allow_nan=False))),
    fitted(Cat, st.builds(Cat, st.text(), st.integers())),
    fitted(
        Line,
        st.builds(
            Line, st.text(), st.decimals(allow_nan=False), st.dates(), st.frozensets(st.text(), max_size=2)
        ),
    ),
    fitted(Box[date], st.builds(Box, st.dates())),
    fitted(
        Strict,
        st.builds(Strict, colour=st.just(Colour.MIX), pair=st.tuples(st.integers(0, 9), st.integers(0, 9))),
    ),
)


def of_pair(made: tuple[Any, Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Put a type and its value into every kind of container."""
    kind: Any = made[0]
    value = made[1]
    record = dataclasses.make_dataclass("Record", [("it", kind), ("them", list[kind])])
    return st.sampled_from(
        [
            (list[kind], [value, value]),
            (tuple[kind, ...], (value,)),
            (tuple[str, kind], ("a", value)),
            (dict[str, kind], {"a": value}),
            (Annotated[kind, "note"], value),
            (kind | None, value),
            (kind | None, None),
            (kind | Dog, Dog("Rex", ["sit"])),
            (record, record(value, [value])),
            (Page[kind], Page([value], value)),
        ]
    )


PAIR = st.recursive(LEAF, lambda inner: inner.flatmap(of_pair), max_leaves=3)


@given(PAIR)
def test_every_value_comes_back_as_the_type_that_is_declared(pair):
    wanted, value = pair
    assert same(there_and_back(value, wanted), value)


@given(PAIR)
def test_what_came_back_once_comes_back_the_same_for_ever(pair):
    wanted, value = pair
    once = there_and_back(value, wanted)
    assert values.encode(once) == values.encode(value)
    assert same(there_and_back(once, wanted), once)


# -- what comes from outside ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "given", "made"),
    [
        (float, 3, 3.0),
        (Decimal, 10.5, Decimal("10.5")),
        (Decimal, "1.10", Decimal("1.10")),
        (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (date, "2026-01-02", date(2026, 1, 2)),
        (timedelta, "PT1S", timedelta(seconds=1)),
        (UUID, str(UUID(int=1)), UUID(int=1)),
        (bytes, "AP8=", b"\x00\xff"),
        (set[int], [1, 1], {1}),
        (tuple[int, int], [1, 2], (1, 2)),
        (dict[int, str], {"1": "a", "-2": "b"}, {1: "a", -2: "b"}),
        (dict[Level, str], {"1": "a"}, {Level.LOW: "a"}),
        (
            Request,
            {"at": "2026-01-02T00:00:00Z", "more": 1},
            {"at": datetime(2026, 1, 2, tzinfo=UTC), "more": 1},
        ),
        (
            Line,
            {"item": "pen", "price": "1", "date": "2026-01-02", "odd": 1},
            Line("pen", Decimal(1), date(2026, 1, 2)),
        ),
        (Item, {"type": "item", "itemName": "pen", "sizes": {"1": "s"}}, Item("pen", {1: "s"})),
        (Customer, {"givenName": "Ada"}, Customer(givenName="Ada")),
        (Customer, {"given_name": "Ada"}, Customer(givenName="Ada")),
        (Cat | Dog, {"name": "Rex", "more": 1}, Cat("Rex")),
        (Point, [1], Point(1)),
        (int | Own, {"a": 1}, {"a": 1}),
    ],
)
def test_what_json_can_say_of_a_type_fits(wanted, given, made):
    assert same(restore(given, wanted), made)


@pytest.mark.parametrize(
    ("wanted", "given", "told"),
    [
        (int, "1", "value: expected int, got str '1'"),
        (int, 1.0, "value: expected int, got float 1.0"),
        (int, None, "value: expected int, got None"),
        (str, b"x", "value: expected str, got bytes b'x'"),
        (bool, 1, "value: expected bool, got int 1"),
        (float, True, "value: expected float, got bool True"),
        (None, 1, "value: expected NoneType, got int 1"),
        (datetime, date(2026, 1, 2), "value: expected datetime, got date datetime.date(2026, 1, 2)"),
        (datetime, "soon", "value: expected datetime, got str 'soon'"),
        (list[int], {"a": 1}, "value: expected list[int], got dict {'a': 1}"),
        (list[int], [1, "x"], "value[1]: expected int, got str 'x'"),
        (tuple[int, int], [1], "value: expected tuple[int, int] of 2 items, got list [1]"),
        (tuple[int, ...], "ab", "value: expected tuple[int, ...], got str 'ab'"),
        (set[int], "ab", "value: expected set[int], got str 'ab'"),
        (set[int], ["x"], "value{...}: expected int, got str 'x'"),
        (set[Any], [{}], "value: expected set[Any] of what a set can hold, got list [{}]"),
        (dict[str, int], [1], "value: expected dict[str, int], got list [1]"),
        (dict[str, int], {"a": {"b": 1}}, "value['a']: expected int, got dict {'b': 1}"),
        (dict[int, int], {"a": 1}, "value['a']: expected int, got str 'a'"),
        (dict[date, int], {"1": 1}, "value['1']: expected date, got str '1'"),
        (Counter[str], {"a": "b"}, "value['a']: expected int, got str 'b'"),
        (int | str, 1.5, "value: expected int | str, got float 1.5"),
        (int | None, "x", "value: expected int, got str 'x'"),
        (Line | None, {"item": "x"}, "value: Line needs 'price', which is missing"),
        (list[Cat | Dog], [{}], "value[0]: expected Cat | Dog, got dict {}"),
        (Literal["a", 1], True, "value: expected one of 'a', 1, got bool True"),
        (Colour, "blue", "value: expected Colour ('red', ('red', 3), <object"),
        (Many, 12, "value: expected Many (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...), got int 12"),
        (Colour, ["blue"], "got list ['blue']"),
        (Point, [1, 2, 3], "value: expected Point of 2 items, got list [1, 2, 3]"),
        (Point, [], "value: expected Point of 2 items, got list []"),
        (Point, ["a"], "value['x']: expected int, got str 'a'"),
        (Options, {}, "value: Options needs 'size', which is missing"),
        (Options, [], "value: expected Options, got list []"),
        (Request, {}, "value: Request needs 'at', which is missing"),
        (Request, {"at": 1}, "value['at']: expected datetime, got int 1"),
        (
            Order,
            {"id": str(UUID(int=1)), "lines": [{"item": 1}]},
            "value['lines'][0]['item']: expected str, got int 1",
        ),
        (Order, 1, "value: expected Order, got int 1"),
        (Page[Line], {"items": [1]}, "value['items'][0]: expected Line, got int 1"),
        (Positive, {"n": 0}, "value: Positive refused it: ValueError: it must be more than 0"),
        (Item, {"itemName": 1}, "value['itemName']: Item refused it: Expected `str`, got `int`"),
        (Item, {"type": "box"}, "value['type']: Item refused it: Invalid value 'box'"),
        (Item, [], "value: Item refused it: Expected `object`, got `array`"),
        (
            Item,
            {"itemName": "a", "sizes": {"b": "c"}},
            "value['sizes']: Item refused it: Expected `int`, got `str`",
        ),
        (
            Item,
            {"itemName": "a", "customer": {}},
            "value['customer']['givenName']: Customer refused it: Field required",
        ),
        (
            Box[list[int]],
            {"it": [1, "x"]},
            "value['it'][1]: Box[list[int]] refused it: Expected `int`, got `str`",
        ),
        (Unreadable, {}, "value: Unreadable refused it: TypeError: Type unions may not contain"),
        (Customer, {}, "value['givenName']: Customer refused it: Field required"),
        (Customer, {"givenName": 1}, "Customer refused it: Input should be a valid string, got 1"),
        (Customer, {"givenName": 1, "point": 2}, "got 1 (and 1 more)"),
        (Strict, {"colour": "red", "pair": ["1", "2"]}, "value['colour']: Strict refused it"),
        (Strict, {"colour": "red", "pair": [1]}, "value['colour']: Strict refused it"),
        (Strict, {"colour": "red", "pair": [1, 2], "at": "2026-01-02T00:00:00Z"}, "Strict refused it"),
        (Strict, "red", "value: Strict refused it: Input should be a valid dictionary or instance of Strict"),
        (Angry, {"n": 13}, "value: Angry refused it: RuntimeError: bad luck"),
        (Checked, {"n": "x"}, "value['n']: Checked refused it: Input should be a valid integer"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(wanted, given, told):
    with pytest.raises(MismatchError) as refused:
        restore(given, wanted)
    assert told in str(refused.value)


def test_the_root_of_the_path_has_the_name_that_is_asked_for():
    with pytest.raises(MismatchError, match=r"^event\.payload\['n'\]: expected int") as refused:
        restore({"n": "x"}, dict[str, int], root="event.payload")
    assert refused.value.name == "MismatchError"
    assert isinstance(refused.value, TypeError)


def test_the_error_of_a_model_is_the_cause():
    with pytest.raises(MismatchError) as refused:
        restore({"n": "x"}, Checked)
    assert isinstance(refused.value.__cause__, pydantic.ValidationError)


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (int, "int"),
        (Order, "Order"),
        (list[Order], "list[Order]"),
        (Order | None, "Order | None"),
        (None, "None"),
    ],
)
def test_a_type_is_written_without_its_modules(wanted, written):
    assert text(wanted) == written


def test_a_local_class_is_written_by_its_own_name():
    class Local:
        pass

    assert (text(Local), text(list[Local])) == ("Local", "list[Local]")


def test_not_a_number_comes_back():
    assert math.isnan(there_and_back(math.nan, float))
