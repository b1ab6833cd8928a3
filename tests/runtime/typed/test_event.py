"""The payloads of events, as the types that the code declares for them."""

from __future__ import annotations

import asyncio
import copy
import pickle
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args, get_origin

import pydantic  # noqa: TID251 - what users write their models with
import pytest

from tests.runtime.stage import Played, Stage, play
from wflow import Context, Event, MismatchError, WorkflowEntrypoint
from wflow.engine import values
from wflow.engine.facts import Settled, encode
from wflow.engine.outcome import Ok
from wflow.runtime.beginning import run as _run
from wflow.runtime.context import Context as RealContext
from wflow.runtime.env import Env


@dataclass
class Order:
    id: int
    total: Decimal = Decimal(0)


class Paid(pydantic.BaseModel):
    by: str


calls: list[object] = []


class Typed(WorkflowEntrypoint):
    def __init__(self, ctx: object, env: Env) -> None:
        calls.append("init")
        super().__init__(ctx, env)

    async def run(self, event: Event[Order], ctx: Context) -> object:
        await ctx.do("step", calls.append, "step")
        return [type(event.payload).__name__, str(event.payload.total), event.instance_id]


class Bare(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        return event.payload


class Unannotated(WorkflowEntrypoint):
    async def run(self, event, ctx):
        return event.payload


class Alone(WorkflowEntrypoint):
    async def run(self):  # type: ignore[override]
        return "alone"


class Odd(WorkflowEntrypoint):
    async def run(self, event: Event[Nowhere], ctx: Context) -> object:  # type: ignore[name-defined] # noqa: F821
        return event.payload


class Other(WorkflowEntrypoint):
    async def run(self, event: dict[str, Any], ctx: Context) -> object:
        return event["payload"]


class Caller:
    async def __call__(self, event, ctx):
        return event.payload


class Callable(WorkflowEntrypoint):
    run = Caller()


class ClassStage(Stage):
    """A stage for a class instead of a function."""

    def _coroutine(self, turn: Any) -> Any:
        cls: Any = self.run
        return _run(cls, Env({}), RealContext(turn.code, self.output), self._spec(None))


def play_class(cls: type, **options: Any) -> Played:
    calls.clear()

    async def perform() -> Played:
        stage = ClassStage(run=cls, **options)
        stage.begin()
        try:
            await stage.end()
        finally:
            stage.close()
            await asyncio.sleep(0)
        return Played(stage=stage)

    return asyncio.run(perform())


# -- what an instance is created with ---------------------------------------------------------------------


@pytest.mark.parametrize("crash", [set(), {0}, {1}], ids=str)
def test_the_payload_is_of_the_type_that_run_declares(crash):
    played = play_class(Typed, params={"id": 1, "total": "1.50"}, crash_after=crash)
    assert played.result == ["Order", "1.50", "order-1"]


def test_a_payload_that_does_not_fit_ends_the_instance_before_any_code_runs():
    played = play_class(Typed, params={"id": "x"})
    assert played.status == "errored"
    assert played.failure.name == "MismatchError"
    assert played.failure.message == (
        "the payload does not fit Order: event.payload['id']: expected int, got str 'x'"
    )
    assert played.told == []
    assert calls == []


def test_a_payload_that_was_not_given_is_told_as_missing():
    failure = play_class(Typed, params={}).failure
    assert failure.message == (
        "the payload does not fit Order: event.payload: Order needs 'id', which is missing"
    )


@pytest.mark.parametrize("cls", [Bare, Unannotated, Odd, Other, Callable])
def test_without_a_type_the_payload_is_plain(cls):
    assert play_class(cls, params=Order(1)).result == {"id": 1, "total": Decimal(0)}


def test_a_run_that_takes_no_event_has_nothing_to_declare():
    assert play_class(Alone, params=3).result == "alone"


def test_a_payload_that_does_not_fit_changed_code_holds_an_instance_that_has_begun():
    journal = [encode(Settled("step-1", "do", 1, Ok()))]
    played = play_class(Typed, params={"id": "x"}, journal=journal)
    assert played.status == "held"
    assert "it ended with MismatchError: the payload does not fit Order" in played.failure.message


# -- what a wait gives ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_a_wait_gives_the_payload_as_the_type_that_is_said(cold):
    async def run(event, ctx):
        paid = await ctx.wait_for_event("wait", "paid", returns=Paid)
        return [type(paid.payload).__name__, paid.payload.by, paid["type"], sorted(paid)]

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.send("paid", {"by": "card"})

    played = play(run, script, cold=cold)
    assert played.result == ["Paid", "card", "paid", ["payload", "timestamp", "type"]]


def test_a_payload_that_does_not_fit_can_be_caught_where_it_is_waited_for():
    async def run(event, ctx):
        told = []
        for _ in range(2):
            try:
                paid = await ctx.wait_for_event("wait", "paid", returns=Paid)
            except MismatchError as error:
                told.append(str(error))
            else:
                told.append(paid.payload.by)
        return told

    async def script(stage):
        for payload in ({"by": 1}, {"by": "card"}):
            await stage.until(lambda: stage.change)
            stage.send("paid", payload)

    for cold in (False, True):
        told, by = play(run, script, cold=cold).result
        assert by == "card"
        assert told == (
            "step 'wait': the payload of the event 'paid' does not fit Paid: "
            "payload['by']: Paid refused it: Input should be a valid string, got 1"
        )


# -- the event itself -------------------------------------------------------------------------------------


def test_an_event_with_a_type_is_still_a_view():
    assert get_origin(Event[Order]) is Event
    assert get_args(Event[Order]) == (Order,)
    event: Event[Order] = Event(payload=Order(1), instanceId="a")
    assert event["payload"] is event.payload
    assert event.instance_id == "a"
    assert copy.copy(event) == pickle.loads(pickle.dumps(event)) == event  # noqa: S301 - we made it
    with pytest.raises(TypeError, match="read-only"):
        event.payload = Order(2)
    assert values.decode(values.encode(event)) == {
        "payload": {"id": 1, "total": Decimal(0)},
        "instanceId": "a",
    }
