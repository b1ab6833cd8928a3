from __future__ import annotations

import asyncio

import pytest

from tests.runner.stage import desk, entry
from wflow.engine import names, values
from wflow.errors import InstanceNotFound, InvalidInput, TooMany, WorkflowNotFound
from wflow.wire.types import Wanted


def test_an_instance_without_an_id_gets_a_long_random_one_and_the_current_version(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"), version="v7")
            made = await on.control.create("orders", [Wanted(), Wanted()], trigger="binding")
            assert len({one.id for one in made}) == 2
            assert all(len(one.id) == 32 and one.created and one.version == "v7" for one in made)
            assert (await on.get("orders", made[0].id)).trigger == "binding"

    asyncio.run(story())


def test_an_id_that_breaks_the_rule_creates_nothing_of_its_batch(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            with pytest.raises(InvalidInput):
                await on.control.create("orders", [Wanted(id="fine"), Wanted(id="not fine")], trigger="api")
            assert await on.store.find("orders") == []

    asyncio.run(story())


def test_an_id_that_exists_is_left_alone(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            first = Wanted(id="a", params=values.encode(1))
            made = await on.control.create("orders", [first], trigger="api")
            again = await on.control.create("orders", [Wanted(id="a"), Wanted(id="b")], trigger="api")
            assert [one.created for one in (*made, *again)] == [True, False, True]
            assert values.decode((await on.get("orders", "a")).params) == 1

    asyncio.run(story())


def test_a_retired_workflow_shows_its_instances_takes_events_for_them_and_no_new_ones(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            on.declare(version="v2")
            assert (await on.control.get("orders", "a")).version == "v1"
            await on.control.send_event("orders", "a", "paid", values.NONE)
            with pytest.raises(WorkflowNotFound, match="no longer declares"):
                await on.control.create("orders", [Wanted(id="b")], trigger="api")

    asyncio.run(story())


def test_what_is_not_there_cannot_be_asked_for(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            with pytest.raises(WorkflowNotFound):
                await on.control.get("returns", "a")
            with pytest.raises(InstanceNotFound):
                await on.control.get("orders", "a")
            with pytest.raises(InstanceNotFound):
                await on.control.send_event("orders", "a", "paid", values.NONE)
            await on.create("orders", "a")
            with pytest.raises(InvalidInput):
                await on.control.send_event("orders", "a", "no type", values.NONE)
            with pytest.raises(InvalidInput, match="they can be told to terminate"):
                await on.control.steer("orders", "a", "dance")

    asyncio.run(story())


def test_a_flood_of_events_meets_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "EVENTS_BUFFERED", 50)

    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            sends = (
                on.control.send_event("orders", "a", "paid", values.NONE)
                for _ in range(names.EVENTS_BUFFERED + 1)
            )
            refused = await asyncio.gather(*sends, return_exceptions=True)
            assert [type(one) for one in refused if one is not None] == [TooMany]

    asyncio.run(story())


def test_a_full_queue_refuses_the_next_and_keeps_those_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "QUEUED", 3)

    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a", "b", "c")
            with pytest.raises(TooMany):
                await on.create("orders", "d")
            assert len(await on.store.find("orders")) == 3

    asyncio.run(story())
