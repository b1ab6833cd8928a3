"""A subscription, from what user code iterates over through the provider to the journal."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.bindings.journals import NOON, with_journals
from wflow.bindings import happenings, subscription, workflow
from wflow.bindings.binding import Called
from wflow.bindings.subscription import Subscription, subscribe
from wflow.engine import values
from wflow.engine.facts import Moved, Opened, Settled
from wflow.engine.outcome import Failure, Ok
from wflow.errors import InstanceNotFound, InvalidInput, WflowError
from wflow.runtime.failures import error_of, failure_of

RUNNING, COMPLETE = Moved("running", NOON), Moved("complete", NOON)
BOOM = Failure(name="ValueError", message="boom")


@pytest.fixture
def stories(tmp_path):
    """Run a story that is given the journals and what sends a call to the provider."""

    def tell(story):
        async def told(journals):
            await story(journals, linked(journals))

        with_journals(tmp_path, told)

    return tell


def linked(journals: Any, provider: Any = subscription):
    """Call the provider through all that the link does to a call."""

    async def send(method: str, arguments: list[object]) -> Any:
        given: Any = values.decode(values.encode(arguments, limit=2**30))
        try:
            answer = await provider.serve(journals, "orders", Called(method=method, arguments=given))
        except WflowError as refused:
            kept = msgspec.msgpack.encode(failure_of(refused))
            raise error_of(msgspec.msgpack.decode(kept, type=Failure)) from None
        return values.decode(values.encode(answer, limit=2**30))

    return send


def step(name, value=7):
    return Settled(f"{name}-1", "do", NOON, Ok(values.encode(value)), b"", NOON, 1, NOON)


async def types(subscribed):
    return [event.type async for event in subscribed]


def test_a_subscription_gives_history_then_what_happens_then_ends(stories):
    async def story(journals, send):
        await journals.create("a", params=[1, 2])
        await journals.say("a", RUNNING)
        subscribed = await subscribe(send, "a")
        first = await subscribed.next()
        assert (first.done, first.value.type, first.value.event_id) == (False, "workflow_queued", 1)
        assert dict(await anext(subscribed)) == {
            "eventId": 16,
            "instanceId": "a",
            "timestamp": NOON,
            "type": "workflow_started",
            "params": [1, 2],
        }
        assert (await anext(subscribed)).type == "workflow_running"
        waiting = asyncio.ensure_future(subscribed.next())
        await journals.waited_for.wait()
        await journals.say("a", Opened("nap-1", "sleep", NOON, detail={"duration": 5}))
        event = (await waiting)["value"]
        assert (event.step_name, event.stepName, event["durationMs"]) == ("nap-1", "nap-1", 5)
        await journals.say("a", COMPLETE, output="done")
        last = (await subscribed.next()).value
        assert (last.type, last.output) == ("workflow_completed", "done")
        for _ in range(2):
            assert dict(await subscribed.next()) == {"value": None, "done": True}

    stories(story)


def test_values_come_as_they_are_kept(stories):
    async def story(journals, send):
        await journals.create("a")
        await journals.say("a", RUNNING, step("raw", b"\xff"), Moved("errored", NOON, failure=BOOM))
        events = [event async for event in await subscribe(send, "a")]
        (done,) = (event for event in events if event.type == "step_completed")
        assert done.output == b"\xff"
        (began,) = (event for event in events if event.type == "step_started")
        assert began.config.timeout == 600_000
        assert (events[-1].error.name, events[-1].error.message) == ("ValueError", "boom")

    stories(story)


def test_a_filter_and_a_cursor_choose_the_events_and_the_end_ends_it_all_the_same(stories):
    async def story(journals, send):
        await journals.create("a")
        await journals.say("a", RUNNING, step("one"), step("two"), COMPLETE)
        chosen = ["step", "workflow_started"]
        found = [event async for event in await subscribe(send, "a", filter=chosen)]
        assert [event.type for event in found] == [
            "workflow_started",
            *("step_started", "step_completed"),
            *("step_started", "step_completed"),
        ]
        cursor = found[2].event_id
        for more in (
            {"cursor": cursor, "filter": chosen},
            {"options": {"cursor": cursor, "filter": chosen}},
            {"cursor": cursor, "filter": set(chosen)},
        ):
            assert [event async for event in await subscribe(send, "a", **more)] == found[3:]

    stories(story)


def test_a_subscription_that_is_closed_is_done(stories):
    async def story(journals, send):
        await journals.create("a")
        await journals.say("a", RUNNING)
        async with await subscribe(send, "a") as subscribed:
            assert repr(subscribed) == "<Subscription to a>"
            assert not (await subscribed.next()).done
        assert (await subscribed.next()).done
        assert await types(subscribed) == []
        other = await subscribe(send, "a", cursor=17)
        waiting = asyncio.ensure_future(other.next())
        await journals.waited_for.wait()
        await other.close()
        await journals.say("a", step("unheard"))
        assert (await waiting).done

    stories(story)


def test_two_that_wait_at_once_get_an_event_each(stories):
    async def story(journals, send):
        await journals.create("a")
        subscribed = await subscribe(send, "a", filter=["workflow_started", "workflow_running"])
        waiting = asyncio.gather(subscribed.next(), subscribed.next())
        await journals.waited_for.wait()
        await journals.say("a", RUNNING)
        assert [found.value.type for found in await waiting] == ["workflow_started", "workflow_running"]

    stories(story)


def test_a_wait_that_is_cancelled_loses_no_event(stories):
    async def story(journals, send):
        await journals.create("a")
        subscribed = await subscribe(send, "a", cursor=1)
        waiting = asyncio.ensure_future(subscribed.next())
        await journals.waited_for.wait()
        waiting.cancel()
        await journals.say("a", RUNNING, COMPLETE)
        assert await types(subscribed) == ["workflow_started", "workflow_running", "workflow_completed"]

    stories(story)


def test_a_quiet_instance_is_waited_for_in_calls_that_end(stories, monkeypatch):
    monkeypatch.setattr(happenings, "HEARTBEAT_S", 0)
    monkeypatch.setattr(subscription, "BREATH_S", 0)
    calls = []

    async def story(journals, send):
        async def counted(method, arguments):
            answer = await send(method, arguments)
            calls.append(answer)
            return answer

        await journals.create("a")
        await journals.create("b")
        subscribed = await subscribe(counted, "a", cursor=1)
        waiting = asyncio.ensure_future(subscribed.next())
        await journals.waited_for.wait()
        await journals.say("b", RUNNING)
        await journals.say("a", RUNNING)
        assert (await waiting).value.type == "workflow_started"

    stories(story)
    assert any(isinstance(answer, dict) and answer["events"] == [] for answer in calls)


def test_an_instance_that_is_not_there_or_no_longer_is_told(stories):
    async def story(journals, send):
        with pytest.raises(InstanceNotFound):
            await subscribe(send, "a")
        await journals.create("a")
        subscribed = await subscribe(send, "a", cursor=1)
        waiting = asyncio.ensure_future(subscribed.next())
        await journals.waited_for.wait()
        await journals.delete("a")
        await journals.create("b")
        await journals.say("b", RUNNING)  # what was deleted is noticed with the next look, 10 s later at last
        with pytest.raises(InstanceNotFound):
            await waiting
        assert (await subscribed.next()).done

    stories(story)


def test_a_runner_that_stops_is_waited_for_and_nothing_is_lost(stories, monkeypatch):
    monkeypatch.setattr(subscription, "STOPPING_S", 0)

    async def story(journals, send):
        await journals.create("a")
        subscribed = await subscribe(send, "a", cursor=1)
        journals.feed.close()
        waiting = asyncio.ensure_future(subscribed.next())
        await journals.waited_for.wait()
        assert not waiting.done()
        await journals.say("a", RUNNING)
        assert (await waiting).value.type == "workflow_started"

    stories(story)


def test_an_instance_of_the_binding_is_subscribed_to(stories):
    async def story(journals, _send):
        await journals.create("a")
        await journals.say("a", RUNNING, COMPLETE)
        orders = workflow.stub(linked(journals, workflow))
        instance = await orders.get("a")
        async with await instance.subscribe(filter=["workflow_completed"]) as subscribed:
            assert await types(subscribed) == ["workflow_completed"]
        assert await types(await instance.subscribe({"cursor": 17})) == ["workflow_completed"]

    stories(story)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"filter": ["steps"]}, "there are no events of type 'steps'"),
        ({"filter": "step"}, "a filter is a list"),
        ({"cursor": -1}, "a cursor is the `eventId` of an event, not -1"),
        ({"cursor": "x"}, "a cursor is the `eventId` of an event, not 'x'"),
        ({"options": {"since": 5}}, "subscribe has no option 'since'; it takes cursor and filter"),
        ({"options": 17}, "subscribe takes a mapping with cursor and filter, not int"),
        ({"options": {}, "cursor": 5}, "subscribe takes one mapping, or cursor= and filter=, not both"),
    ],
)
def test_a_wrong_option_is_refused(stories, given, told):
    async def story(journals, send):
        await journals.create("a")
        with pytest.raises(InvalidInput) as refused:
            await subscribe(send, "a", **given)
        assert told in refused.value.message

    stories(story)


@pytest.mark.parametrize(
    "mark", [b"", b"\x00", msgspec.msgpack.encode([1, ["x"], -5]), msgspec.msgpack.encode([1, [], 2**63])]
)
def test_a_mark_that_the_runner_did_not_give_is_refused(stories, mark):
    async def story(journals, send):
        await journals.create("a")
        with pytest.raises(InvalidInput, match="goes on from what the runner gave it"):
            await Subscription(send, "a", mark).next()

    stories(story)


def test_a_mark_of_one_instance_leads_to_no_other(stories):
    async def story(journals, send):
        await journals.create("a")
        await journals.create("b")
        mark = await send("subscribe", ["b", None, None])
        with pytest.raises(InstanceNotFound):
            await Subscription(send, "a", mark).next()

    stories(story)


def test_a_method_that_is_not_there_is_refused(stories):
    async def story(journals, send):
        for arguments in ([], ["a", None], [5, None, None]):
            with pytest.raises(InvalidInput, match="a subscription has no method 'subscribe'"):
                await send("subscribe", arguments)
        assert {"subscribe", "happenings"} == subscription.METHODS

    stories(story)
