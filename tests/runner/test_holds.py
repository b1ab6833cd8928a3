from __future__ import annotations

import asyncio
import sys
import tracemalloc

import msgspec

from tests.runner.stage import Stage, stage, until
from wflow.runner.holds import claimed, held
from wflow.runner.project import VERSION
from wflow.stores.store import Claim

CLAIM = Claim(
    key=7,
    epoch=3,
    workflow="orders",
    id="order-7",
    version="v1",
    created_at=11,
    params=b"\x01" * 1_000,
    seq=2,
    has_events=False,
    started_at=12,
    seed=b"seed",
    pausing=True,
    died=True,
    shown=b"\x80",
)
INSTANCES = 24
MUCH = "x" * 900_000


def test_of_a_claim_that_a_runtime_has_only_who_it_is_is_kept():
    hold = held(CLAIM)
    assert msgspec.structs.asdict(hold) == {
        "key": 7,
        "epoch": 3,
        "workflow": "orders",
        "id": "order-7",
        "pausing": True,
        "died": True,
    }
    another = msgspec.msgpack.decode(msgspec.msgpack.encode("orders"))
    assert held(msgspec.structs.replace(CLAIM, workflow=another)).workflow is hold.workflow
    assert sum(map(sys.getsizeof, [hold, *msgspec.structs.astuple(hold)])) < 500


def test_a_claim_is_made_anew_as_it_was(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            store = on.runner.store
            on.runner.registry.activate(on.build())
            await on.create("counting", "a", {"steps": 1})
            (claim,) = await store.claim({"counting": 1}, owner="me", now=on.runner.now())
            past = (await store.load({claim.key: 0}))[claim.key]
            again = claimed(held(claim), await on.get("counting", "a"), past)
            assert again == msgspec.structs.replace(claim, queued=False), "what it was before matters no more"

    asyncio.run(story())


def test_what_instances_work_on_is_not_in_the_runners_memory_while_they_run(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await create(on, 1)  # all that is there once
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                await create(on, INSTANCES)
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert after - before < INSTANCES * len(MUCH) / 4

    asyncio.run(story())


async def create(on: Stage, count: int) -> None:
    """Have so many more instances run, each with much to work on."""
    peer = await on.runner.fleet.peer(VERSION)
    there = len(peer.holds)
    for number in range(there, there + count):
        wanted = {"steps": 1, "pause_s": 600, "much": MUCH}
        await on.create("counting", f"much-{number}", wanted)
    await until(lambda: len(peer.holds) == there + count and not peer.fresh, "all of them to run")
    await until(lambda: len(on.effects) == there + count, "their steps to begin")
