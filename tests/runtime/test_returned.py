"""What a step gives comes back as the type that is declared for it, on the first run as on every replay."""

from __future__ import annotations

import asyncio
import collections.abc  # noqa: TC003 - wflow looks for what the annotations name
import enum
import functools
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic  # noqa: TID251 - what users write their models with
import pytest

from tests.runtime.stage import play
from wflow.engine import values
from wflow.engine.facts import Failed, Opened, Settled, decode, encode
from wflow.engine.outcome import Err, Ok
from wflow.errors import InvalidInput, MismatchError, TooLarge, UnserializableError

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

AT_ONCE = {"limit": 2, "delay": 0}


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Line:
    item: str
    price: Decimal


@dataclass
class Order:
    lines: list[Line]
    colour: Colour = Colour.RED
    pair: tuple[int, date] = (1, date(2026, 1, 2))


@dataclass
class Gift(Order):
    text: str = "for you"


class Struct(msgspec.Struct):
    at: date


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(alias="theName")
    colour: Colour = Colour.RED


ORDER = Order([Line("pen", Decimal("1.50"))])
GIVEN = [
    (Order, ORDER),
    (list[Order], [ORDER]),
    (Colour, Colour.RED),
    (tuple[int, Colour], (1, Colour.RED)),
    (dict[Colour, set[date]], {Colour.RED: {date(2026, 1, 2)}}),
    (Struct, Struct(date(2026, 1, 2))),
    (Model, Model(theName="Ada")),
    (Order | None, None),
    (Order | None, ORDER),
]


@pytest.mark.parametrize("crash", [set(), {0}, {1}, {2}], ids=str)
@pytest.mark.parametrize(("returns", "value"), GIVEN)
def test_the_first_run_and_every_replay_give_the_declared_type(returns, value, crash):
    seen = []

    def make() -> Any:
        return value

    make.__annotations__["return"] = returns

    async def make_later():
        return value

    async def run(event, ctx):
        seen.append(
            [
                await ctx.do("annotated", make),
                await ctx.do("said", make_later, returns=returns),
                await ctx.do("plain", make_later),
            ]
        )
        await ctx.do("last", str)

    played = play(run, crash_after=crash)
    assert played.status == "complete"
    for annotated, said, plain in seen:
        assert annotated == said == value
        assert type(annotated) is type(said) is type(value)
        assert plain == values.decode(values.encode(value))


def test_what_is_said_goes_before_what_is_annotated():
    def make() -> Order:
        return ORDER

    async def run(event, ctx):
        plain = await ctx.do("make", make, returns=object)
        as_dict = await ctx.do("make", make, returns=dict[str, Any])
        assert plain == as_dict
        return plain

    assert play(run).result == values.decode(values.encode(ORDER))


def test_a_decorated_step_gives_what_is_declared_and_takes_what_another_gave():
    async def run(event, ctx):
        @ctx.do("order")
        async def order() -> Order:
            return ORDER

        @ctx.do("total", returns=Decimal)
        def total(order):
            return sum(line.price for line in order.lines)

        return [await order(), await total()]

    order, total = play(run, crash_after={0, 1}).result
    assert (order, total) == (values.decode(values.encode(ORDER)), Decimal("1.50"))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_does_not_fit_fails_the_step_at_once(kind):
    calls = []

    def load() -> Order:
        calls.append(1)
        return {"lines": [{"item": "pen", "price": "much"}]}  # type: ignore[return-value]

    async def load_later() -> Order:
        return load()

    async def run(event, ctx):
        try:
            await ctx.do("load", load if kind == "sync" else load_later, retries=AT_ONCE)
        except MismatchError as error:
            return str(error)

    played = play(run)
    assert played.result == (
        "step 'load-1' returned what does not fit Order: value['lines'][0]['price']: "
        "expected Decimal, got str 'much'"
    )
    assert calls == [1]
    (failed,) = (fact for fact in played.facts if isinstance(fact, Failed))
    assert not failed.failure.retryable


def test_what_a_model_refuses_is_the_cause():
    async def run(event, ctx):
        await ctx.do("load", dict, returns=Model)

    failure = play(run).failure
    assert failure.name == "MismatchError"
    assert failure.message == (
        "step 'load-1' returned what does not fit Model: value['theName']: Model refused it: Field required"
    )
    assert failure.cause is not None
    assert failure.cause.name == "ValidationError"


def test_a_subclass_that_would_lose_its_fields_is_refused():
    def make() -> Order:
        return Gift([])

    async def run(event, ctx):
        gift = await ctx.do("gift", make, returns=Gift)
        assert type(gift) is Gift
        await ctx.do("order", make)

    failure = play(run).failure
    assert failure.message == (
        "step 'order-1' returned a Gift, which would come back as a Order; declare it: returns=Gift"
    )


@pytest.mark.parametrize(
    ("make", "kind", "told"),
    [
        (object, "UnserializableError", "value: a builtins.object cannot be kept"),
        (lambda: "x" * 2**20, "TooLarge", "1,048,581 bytes; the limit is 1,048,576"),
        (lambda: Order(object()), "UnserializableError", "value['lines']: a builtins.object"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_kept_is_a_typed_error_that_is_not_tried_again(make, kind, told):
    async def run(event, ctx):
        try:
            await ctx.do("make", make, retries=AT_ONCE)
        except (UnserializableError, TooLarge) as error:
            return [type(error).__name__, str(error)]

    played = play(run)
    name, message = played.result
    assert name == kind
    assert message.startswith("step 'make-1' returned what cannot be kept: ")
    assert told in message
    assert played.told == ["Opened", "Failed", "Settled"]


def test_a_recorded_value_that_does_not_fit_a_changed_annotation_holds_the_instance():
    async def run(event, ctx):
        return await ctx.do("load", str, returns=int)

    journal = [encode(Settled("load-1", "do", 1, Ok(values.encode("x")), opened_at=1))]
    played = play(run, journal=journal)
    assert played.status == "held"
    assert played.failure.name == "NonDeterminismError"
    assert played.failure.message == (
        "the value that step 'load-1' is recorded with does not fit int, which the code declares now: "
        "value: expected int, got str 'x'"
    )
    assert played.settled == ["load-1"]


def test_a_text_is_no_type():
    async def run(event, ctx):
        try:
            await ctx.do("load", str, returns="Order")
        except InvalidInput as error:
            return error.message

    assert play(run).result == "step 'load': returns must be a type, not the text 'Order'"


def test_an_instance_with_no_room_left_says_so(monkeypatch):
    from wflow.engine import machine

    monkeypatch.setitem(machine.Machine.__init__.__kwdefaults__, "state_bytes", 20)

    async def run(event, ctx):
        await ctx.do("make", lambda: "x" * 10)
        try:
            await ctx.do("make", lambda: "x" * 10, retries=AT_ONCE)
        except TooLarge as error:
            return error.message

    played = play(run)
    assert played.result == "The instance has exceeded the 1GiB storage limit"
    assert played.told == ["Settled", "Opened", "Failed", "Settled"]


# -- what counts as a declaration -------------------------------------------------------------------------


class Shop:
    def __call__(self) -> Colour:
        return Colour.RED

    def method(self) -> Colour:
        return Colour.RED

    @staticmethod
    def static() -> Colour:
        return Colour.RED

    @classmethod
    def of_class(cls) -> Colour:
        return Colour.RED


def give() -> Colour:
    return Colour.RED


async def give_later() -> Colour:
    return Colour.RED


def awaitable() -> collections.abc.Awaitable[Colour]:
    return give_later()


def coroutine() -> collections.abc.Coroutine[Any, Any, Colour]:
    return give_later()


@functools.wraps(give)
def wrapper(*arguments):
    return give(*arguments)


@functools.lru_cache
def cached() -> Colour:
    return Colour.RED


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (give, ()),
        (give_later, ()),
        (awaitable, ()),
        (coroutine, ()),
        (Shop(), ()),
        (Shop().method, ()),
        (Shop.static, ()),
        (Shop.of_class, ()),
        (functools.partial(functools.partial(give)), ()),
        (wrapper, ()),
        (cached, ()),
        (Colour, ("red",)),
    ],
)
def test_every_shape_of_function_tells_what_it_gives(function, arguments):
    async def run(event, ctx):
        return type(await ctx.do("give", function, *arguments)).__name__

    assert play(run).result == "Colour"


def test_a_function_in_a_function_may_give_a_class_of_that_function():
    @dataclass
    class Local:
        items: list[Line] = field(default_factory=list)

    async def make() -> Local:
        return Local([Line("pen", Decimal(1))])

    async def run(event, ctx):
        made = await ctx.do("make", make)
        assert type(made) is Local
        return type(made.items[0]).__name__

    assert play(run).result == "Line"


def unknown() -> Unknown:
    return ORDER


def nothing() -> None:
    return ORDER  # type: ignore[return-value]


def anything() -> Any:
    return ORDER


def bare() -> collections.abc.Awaitable:  # type: ignore[type-arg]
    async def later():
        return ORDER

    return later()


class Odd:
    __call__ = max


@pytest.mark.parametrize("function", [unknown, nothing, anything, bare, lambda: ORDER])
def test_a_declaration_that_says_nothing_gives_plain_data(function):
    async def run(event, ctx):
        return await ctx.do("give", function)

    assert play(run).result == values.decode(values.encode(ORDER))


def test_builtins_and_what_behaves_oddly_give_plain_data():
    async def run(event, ctx):
        return [await ctx.do("max", max, 1, 2), await ctx.do("odd", Odd(), 3, 4)]

    assert play(run).result == [2, 4]


def test_steps_side_by_side_have_their_own_types():
    async def run(event, ctx):
        first, second = await asyncio.gather(ctx.do("a", give), ctx.do("a", lambda: "red"))
        return [type(first).__name__, type(second).__name__]

    for crash in range(3):
        assert play(run, crash_at={crash}).result == ["Colour", "str"]


def test_what_is_kept_is_plain_whatever_is_declared():
    async def run(event, ctx):
        await ctx.do("order", lambda: ORDER, returns=Order)

    (settled,) = (fact for fact in map(decode, play(run).stage.journal) if isinstance(fact, Settled))
    assert not isinstance(settled.outcome, Err)
    assert values.decode(settled.outcome.value) == {
        "lines": [{"item": "pen", "price": Decimal("1.50")}],
        "colour": "red",
        "pair": [1, date(2026, 1, 2)],
    }


def test_a_typed_step_is_no_other_step_than_a_plain_one():
    async def run(event, ctx):
        return type(await ctx.do("order", lambda: ORDER, returns=Order)).__name__

    journal = [
        encode(Opened("order-1", "do", 1)),
        encode(Settled("order-1", "do", 2, Ok(values.encode(ORDER)))),
    ]
    assert play(run, journal=journal).result == "Order"
