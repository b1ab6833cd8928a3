"""What a test changes about how instances run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wflow import Context, Event, InvalidInput, UnserializableError, WorkflowEntrypoint, WorkflowTimeoutError
from wflow.testing.modifiers import Modifiers, key_of

if TYPE_CHECKING:
    from wflow.testing import Kit

CALLS: list[str] = []


class Shop(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        receipt = await ctx.do("charge", self.charge, 7)
        try:
            noted = await ctx.do("note", note, "x")
        except WorkflowTimeoutError as late:
            noted = str(late)
        await ctx.sleep("nap", "1 day")
        await ctx.sleep("nap", "1 hour")
        try:
            paid = (await ctx.wait_for_event("wait", "paid", timeout="2 days")).payload
        except WorkflowTimeoutError:
            paid = "never"
        return [receipt, noted, paid]

    async def charge(self, amount: int) -> int:
        CALLS.append("charge")
        return amount


def note(text: str) -> str:
    CALLS.append("note")
    return text


pytestmark = pytest.mark.wflow({"SHOP": Shop})


@pytest.fixture(autouse=True)
def nothing_was_called():
    CALLS.clear()


async def played(wflow: Kit, change) -> object:
    one = wflow.introspect_instance("SHOP", "one")
    change(one)
    await wflow.env.SHOP.create(id="one")
    return await one.output()


async def test_a_result_is_given_and_the_function_not_called(wflow: Kit):
    assert await played(wflow, lambda one: one.mock_step_result("charge", 99)) == [99, "x", "never"]
    assert CALLS == ["note"]


async def test_an_error_is_raised_in_the_first_attempts(wflow: Kit):
    began = wflow.clock.now()
    change = lambda one: one.mock_step_error("note", OSError("full"), times=2).disable_sleeps()  # noqa: E731
    assert await played(wflow, lambda one: change(one).force_event_timeout("wait")) == [7, "x", "never"]
    assert CALLS == ["charge", "note"]
    assert (wflow.clock.now() - began).total_seconds() == 30


async def test_delays_of_retries_can_be_left_out(wflow: Kit):
    began = wflow.clock.now()
    change = lambda one: one.mock_step_error("charge", OSError("full"), times=5)  # noqa: E731
    mend = lambda one: change(one).disable_retry_delays(["charge"]).disable_sleeps()  # noqa: E731
    assert await played(wflow, lambda one: mend(one).mock_event("paid", 1)) == [7, "x", 1]
    assert wflow.clock.now() == began


async def test_an_error_for_ever_ends_the_instance(wflow: Kit):
    one = wflow.introspect_instance("SHOP", "one")
    one.mock_step_error({"name": "charge"}, PermissionError("no card"))
    await wflow.env.SHOP.create(id="one")
    assert await one.error() == {"name": "PermissionError", "message": "no card"}
    assert CALLS == []


async def test_errors_come_first_then_the_result(wflow: Kit):
    def change(one: Modifiers) -> None:
        one.mock_step_error("charge", OSError(), times=1).mock_step_result("charge", 3)

    assert await played(wflow, change) == [3, "x", "never"]
    assert CALLS == ["note"]


async def test_a_step_times_out_without_being_called(wflow: Kit):
    result = await played(wflow, lambda one: one.force_step_timeout("note").disable_retry_delays())
    assert result == [7, "Execution timed out after 600000ms", "never"]
    assert CALLS == ["charge"]


async def test_some_sleeps_can_be_left_out(wflow: Kit):
    began = wflow.clock.now()
    second = {"name": "nap", "index": 2}
    await played(wflow, lambda one: one.disable_sleeps([second]).mock_event("paid"))
    assert (wflow.clock.now() - began).total_seconds() == 24 * 3600


async def test_events_are_there_in_order_from_the_beginning(wflow: Kit):
    event = {"type": "paid", "payload": {"euros": 5}}
    assert await played(wflow, lambda one: one.mock_event(event)) == [7, "x", {"euros": 5}]


async def test_a_wait_times_out_at_once_though_its_event_is_there(wflow: Kit):
    def change(one: Modifiers) -> None:
        one.disable_sleeps().mock_event("paid", 5).force_event_timeout("wait")

    began = wflow.clock.now()
    assert await played(wflow, change) == [7, "x", "never"]
    assert wflow.clock.now() == began


def test_a_second_wish_for_one_step_is_refused_in_cloudflares_words():
    one = Modifiers().mock_step_result("charge", 1).mock_step_error("note", OSError())
    with pytest.raises(InvalidInput, match="Trying to mock step 'charge' multiple times!"):
        one.mock_step_result({"name": "charge", "index": 1}, 2)
    with pytest.raises(InvalidInput, match="Trying to mock step 'note' multiple times!"):
        one.force_step_timeout("note")
    one.mock_step_result({"name": "charge", "index": 2}, 2)


@pytest.mark.parametrize(
    "wrong", ["", 5, {"index": 1}, {"name": "a", "index": 0}, {"name": "a", "index": True}]
)
def test_a_step_is_a_name_and_perhaps_an_index(wrong):
    with pytest.raises(InvalidInput):
        key_of(wrong)


def test_wishes_that_cannot_be_are_refused_at_once():
    one = Modifiers()
    with pytest.raises(UnserializableError):
        one.mock_step_result("a", object())
    with pytest.raises(InvalidInput, match="fails with an exception"):
        one.mock_step_error("a", KeyboardInterrupt())
    with pytest.raises(InvalidInput, match="counts attempts from 1"):
        one.mock_step_error("a", OSError(), times=0)
    with pytest.raises(InvalidInput):
        one.mock_event("no good", 1)
