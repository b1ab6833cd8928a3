"""Reading an instance's events from its journal: pages, restarts, deletions, waiting."""

from __future__ import annotations

import asyncio
import functools
from contextlib import aclosing

import pytest

from tests.bindings.journals import NOON, with_journals
from wflow.bindings import happenings
from wflow.bindings.happenings import Mark, Reader, follow, mark
from wflow.engine import values
from wflow.engine.facts import Failed, Moved, Opened, Settled, Tried, encode
from wflow.engine.happenings import TYPES, last_number
from wflow.engine.outcome import Failure, Ok
from wflow.errors import InstanceNotFound, InvalidInput

RUNNING, COMPLETE = Moved("running", NOON), Moved("complete", NOON)
BOOM = Failure(name="ValueError", message="boom")


@pytest.fixture
def journals(tmp_path):
    """Run a story on journals."""
    return functools.partial(with_journals, tmp_path)


def step(name, value=7):
    return Settled(f"{name}-1", "do", NOON, Ok(values.encode(value)), b"", NOON, 1, NOON)


async def reader(journals, id_="a", cursor=None, chosen=None):
    instance = await journals.get("orders", id_)
    return Reader(journals, instance, mark(instance, cursor, chosen, end=await journals.store.position()))


async def rest(reading):
    """Read all that there is now."""
    found = []
    while page := await reading.read():
        found += page
    return found


def types(found):
    return [each.type for each in found]


STEP = ["step_started", "attempt_started", "attempt_completed", "step_completed"]


def test_an_instance_is_read_from_its_creation_to_its_end(journals):
    async def story(journals):
        await journals.create("a", params={"n": 1})
        reading = await reader(journals)
        assert types(await rest(reading)) == ["workflow_queued"]
        assert not reading.over
        await journals.say("a", RUNNING, step("charge"))
        (first, *more) = await rest(reading)
        assert (first.type, first.more) == ("workflow_started", {"params": {"n": 1}})
        assert types(more) == ["workflow_running", *STEP]
        await journals.say("a", COMPLETE, output={"sum": 7})
        (end,) = await rest(reading)
        assert (end.type, end.more) == ("workflow_completed", {"output": {"sum": 7}})
        assert reading.over
        assert await reading.read() == []

    journals(story)


def test_events_of_other_instances_are_not_read(journals):
    async def story(journals):
        await journals.create("a")
        await journals.create("b")
        await journals.say("b", RUNNING, step("theirs"))
        await journals.say("a", RUNNING)
        await journals.say("b", step("again"))
        await journals.say("a", COMPLETE)
        found = await rest(await reader(journals))
        assert types(found)[-1] == "workflow_completed"
        assert not any("step" in each.type for each in found)

    journals(story)


@pytest.mark.parametrize("at_once", [2, 3, 100])
def test_whoever_goes_on_from_any_event_or_any_mark_hears_the_rest_once(journals, monkeypatch, at_once):
    monkeypatch.setattr(happenings, "READ_AT_ONCE", at_once)

    async def story(journals):
        await journals.create("a")
        await journals.say(
            "a",
            RUNNING,
            Opened("slow-1", "do", NOON),
            Tried("slow-1", 1, NOON),
            step("quick"),
            Failed("slow-1", 1, NOON, NOON, BOOM, NOON + 5),
            Settled("slow-1", "do", NOON + 9, Ok(), b"", NOON, 2, NOON + 5),
            COMPLETE,
        )
        everything = await rest(await reader(journals))
        assert len(everything) == 14
        for cursor in (None, *(each.number for each in everything)):
            reading = await reader(journals, cursor=cursor)
            found = await rest(reading)
            assert found == [each for each in everything if each.number > (cursor or 0)]
            assert reading.over
        instance = await journals.get("orders", "a")
        found, kept = [], mark(instance, None, None, end=1)
        over = False
        while not over:
            reading = Reader(journals, instance, kept)
            found += await reading.read()
            kept, over = reading.mark, reading.over
        assert found == everything

    journals(story)


def test_a_filter_leaves_out_pages_of_events_without_waiting_for_them(journals, monkeypatch):
    monkeypatch.setattr(happenings, "READ_AT_ONCE", 4)

    async def story(journals):
        await journals.create("a")
        await journals.say("a", RUNNING, *(step(f"s{n}") for n in range(20)), COMPLETE)
        reading = await reader(journals, chosen=["workflow_errored"])
        assert await reading.read() == []
        assert reading.over, "it ends though its end is not in the filter"
        assert types(await rest(await reader(journals, chosen=["workflow_completed"]))) == [
            "workflow_completed"
        ]

    journals(story)


def test_a_page_holds_only_so_many_bytes(journals, monkeypatch):
    monkeypatch.setattr(happenings, "PAGE_BYTES", 1_000)

    async def story(journals):
        await journals.create("a")
        await journals.say("a", RUNNING, *(step(f"s{n}", "x" * 600) for n in range(5)), COMPLETE)
        reading = await reader(journals, chosen=["step_completed"])
        pages = []
        while page := await reading.read():
            pages.append(len(page))
        assert (pages, reading.over) == ([2, 2, 1], True)

    journals(story)


def test_after_a_restart_the_events_go_on_with_greater_numbers(journals):
    async def story(journals):
        await journals.create("a")
        await journals.say("a", RUNNING, step("one"), step("two"))
        reading = await reader(journals)
        before = await rest(reading)
        await journals.restart("a")
        await journals.say("a", RUNNING, step("one"), step("two"), step("three"), COMPLETE)
        after = await rest(reading)
        assert types(after) == [
            *("workflow_queued", "workflow_started", "workflow_running"),
            *(STEP * 3),
            "workflow_completed",
        ]
        assert min(each.number for each in after) > max(each.number for each in before)
        assert [each for each in await rest(await reader(journals)) if each.number > 1] == after
        resumed = await reader(journals, cursor=before[-1].number)
        assert await rest(resumed) == after
        assert resumed.over

    journals(story)


def test_a_restart_from_a_step_tells_again_of_what_was_cut_away(journals):
    async def story(journals):
        await journals.create("a")
        await journals.say("a", RUNNING, step("one"), Opened("two-1", "do", NOON), Tried("two-1", 1, NOON))
        reading = await reader(journals)
        await rest(reading)
        await journals.restart("a", lambda journal: [seq for seq, _ in journal if seq > 2])
        await journals.say("a", RUNNING, Opened("two-1", "do", NOON), Tried("two-1", 1, NOON))
        after = await rest(reading)
        assert types(after) == [
            *("workflow_queued", "workflow_started", "workflow_running"),
            *("step_started", "attempt_started"),
        ]
        await journals.say("a", Settled("two-1", "do", NOON, Ok(), b"", NOON, 1, NOON), COMPLETE)
        after += await rest(reading)
        fresh = await rest(await reader(journals))
        assert fresh[-len(after) :] == after
        assert types(fresh[: -len(after)]) == [
            *("workflow_queued", "workflow_started", "workflow_running"),
            *STEP,
        ]

    journals(story)


def test_a_restart_of_one_that_was_over_is_not_the_end_of_its_story(journals, monkeypatch):
    monkeypatch.setattr(happenings, "READ_AT_ONCE", 3)

    async def story(journals):
        await journals.create("a")
        await journals.say("a", RUNNING, step("one"), Moved("errored", NOON, failure=BOOM))
        await journals.restart("a", lambda _: [])
        reading = await reader(journals)
        assert types(await rest(reading))[-2:] == ["workflow_errored", "workflow_queued"]
        assert not reading.over
        await journals.say("a", RUNNING, COMPLETE)
        assert types(await rest(reading)) == ["workflow_started", "workflow_running", "workflow_completed"]
        assert reading.over

    journals(story)


def test_whoever_reads_an_instance_that_is_deleted_is_told(journals):
    async def story(journals):
        await journals.create("a")
        early = await reader(journals)
        assert types(await rest(early)) == ["workflow_queued"]
        await journals.say("a", RUNNING)
        late = await reader(journals)
        await rest(late)
        await journals.delete("a")
        for reading in (early, late):
            with pytest.raises(InstanceNotFound):
                await reading.read()
        await journals.create("a")
        with pytest.raises(InstanceNotFound, match="made anew"):
            await late.read()
        with pytest.raises(InstanceNotFound, match="made anew"):
            Reader(journals, await journals.get("orders", "a"), late.mark)

    journals(story)


def test_a_fact_of_a_later_release_is_passed_over(journals, monkeypatch):
    async def story(journals):
        await journals.create("a")
        with monkeypatch.context() as later:
            later.setattr("wflow.engine.facts.encode", lambda _: b"\x91\x63")
            await journals.say("a", RUNNING)
        await journals.say("a", COMPLETE)
        reading = await reader(journals)
        assert types(await rest(reading)) == ["workflow_queued", "workflow_completed"]
        assert reading.over

    journals(story)
    assert encode(RUNNING) != b"\x91\x63"


def test_a_cursor_of_a_store_that_was_emptied_leads_to_what_is_new(journals):
    async def story(journals):
        await journals.create("a")
        await journals.say("a", RUNNING)
        reading = await reader(journals, cursor=10**9)
        assert await rest(reading) == []
        await journals.say("a", step("new"))
        assert types(await rest(reading)) == STEP

    journals(story)


@pytest.mark.parametrize("cursor", [-1, True, "5", 1.0, 2**62 + 1])
def test_what_is_no_cursor_is_refused(journals, cursor):
    async def story(journals):
        instance = await journals.create("a")
        with pytest.raises(InvalidInput, match="a cursor is the `eventId` of an event"):
            mark(instance, cursor, None, end=0)

    journals(story)


def test_a_mark_begins_where_it_is_told(journals):
    async def story(journals):
        instance = await journals.create("a")
        assert mark(instance, None, None, end=0) == Mark(instance.key, frozenset(TYPES))
        assert mark(instance, 20, ["sleep_started"], end=5).after == 20
        assert mark(instance, 999, None, end=5).after == last_number(5)

    journals(story)


# -- following -------------------------------------------------------------------------------------------


def test_who_follows_hears_new_events_until_the_end(journals):
    async def story(journals):
        await journals.create("a")
        reading = await reader(journals)
        async with aclosing(follow(reading, lambda: 0)) as pages:
            assert types(await anext(pages)) == ["workflow_queued"]
            waiting = asyncio.ensure_future(anext(pages))
            await journals.waited_for.wait()
            await journals.say("a", RUNNING)
            assert types(await waiting) == ["workflow_started", "workflow_running"]
            await journals.say("a", COMPLETE)
            assert types(await anext(pages)) == ["workflow_completed"]
            with pytest.raises(StopAsyncIteration):
                await anext(pages)
        assert reading.over

    journals(story)


def test_who_follows_while_nothing_happens_hears_that(journals, monkeypatch):
    monkeypatch.setattr(happenings, "HEARTBEAT_S", 0)

    async def story(journals):
        await journals.create("a")
        await journals.create("b")
        reading = await reader(journals, cursor=1)
        async with aclosing(follow(reading, lambda: 0)) as pages:
            waiting = asyncio.ensure_future(anext(pages))
            await journals.waited_for.wait()
            await journals.say("b", RUNNING)
            assert await waiting == []
        assert not reading.over

    journals(story)


def test_following_ends_when_the_runner_stops(journals):
    async def story(journals):
        await journals.create("a")
        reading = await reader(journals)
        journals.feed.close()
        assert [types(page) async for page in follow(reading, lambda: 0)] == [["workflow_queued"]]
        assert not reading.over

    journals(story)


def test_a_store_that_is_busy_with_others_is_not_looked_at_all_the_time(journals):
    async def story(journals):
        await journals.create("a")
        await journals.create("b")
        breaths = asyncio.Semaphore(0)

        def breath_s():
            breaths.release()
            return 0

        async with aclosing(follow(await reader(journals, cursor=1), breath_s)) as pages:
            waiting = asyncio.ensure_future(anext(pages))
            for n in range(5):
                await journals.say("b", step(f"s{n}"))
                await breaths.acquire()
            assert journals.reads <= 6
            await journals.say("a", RUNNING)
            assert types(await waiting) == ["workflow_started", "workflow_running"]

    journals(story)
