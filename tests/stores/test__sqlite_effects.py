"""What every store does with the effects of steps: all of them with the outcome, once, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stores.shop import Shop, line, new, numbered
from tests.stores.test_queues import message
from wflow.engine import names
from wflow.engine.requests import CANCEL
from wflow.errors import InvalidInput
from wflow.stores.store import Absent, Appended, Batch, Cell, Effects

if TYPE_CHECKING:
    from wflow.stores.store import Claim


def cell(key: str, value: bytes = b"1", **more: Any) -> Cell:
    return Cell(space="shop", key=key, value=value, **more)


async def settle(shop: Shop, claim: Claim, *, after: int | None = None, **done: Any) -> Appended:
    """Append a fact with the effects of what it tells of."""
    rows = numbered(claim.key, (line("done"),), after=claim.seq if after is None else after)
    effects = [Effects(instance=claim.key, **done)]
    return await shop.store.append(Batch(claims=[(claim.key, claim.epoch)], rows=rows, effects=effects))


async def read(shop: Shop, *keys: str, now: int = 10) -> dict[str, bytes]:
    found = await shop.store.read("shop", keys, now=now)
    return {key: one.value for key, one in found.items()}


async def test_effects_are_there_with_the_facts_and_after_a_restart(shop: Shop):
    claim = await shop.claimed()
    await shop.store.write([cell("gone")])
    done: dict[str, Any] = {
        "cells": [cell("a", meta=b"m", expires_at=99), cell("b"), Absent(space="shop", key="gone")],
        "new": [new("child", tags=("vip",))],
        "messages": [message("m1"), message("m2")],
    }
    assert (await settle(shop, claim, **done)).refused == []
    for _ in range(2):
        assert await shop.store.read("shop", ["a"], now=10) == {"a": cell("a", meta=b"m", expires_at=99)}
        assert await read(shop, "a", "b", "gone", now=99) == {"b": b"1"}
        child = await shop.get("child")
        assert (child.status, child.tags, child.parent) == ("queued", ("vip",), None)
        assert (await shop.store.queues.backlog("jobs")).messages == 2
        assert [one.seq for one in await shop.store.journal(claim.key)] == [1]
        await shop.reopen()
    assert "child" in [one.id for one in await shop.claim()]


@pytest.mark.parametrize("why", ["over", "gap", "stranger"])
async def test_effects_of_an_instance_that_is_refused_are_refused_with_it(shop: Shop, why: str):
    claim, other = await shop.claimed("a"), await shop.claimed("b")
    if why == "over":
        await shop.store.release([(claim.key, claim.epoch)], now=10)
    claims = [(one.key, one.epoch) for one in (claim, other) if why != "stranger" or one is other]
    rows = [] if why == "stranger" else numbered(claim.key, (line("x"),), after=7 if why == "gap" else 0)
    effects = [
        Effects(instance=claim.key, cells=[cell("a")], new=[new("c")], messages=[message("m")]),
        Effects(instance=other.key, cells=[cell("b")]),
    ]
    appended = await shop.store.append(Batch(claims=claims, rows=rows, effects=effects))
    assert appended.refused == [claim.key]
    assert await read(shop, "a", "b") == {"b": b"1"}
    assert await shop.store.find_one("shop", "c") is None
    assert (await shop.store.queues.backlog("jobs")).messages == 0


async def test_what_was_read_before_is_not_answered_from_memory(shop: Shop):
    claim = await shop.claimed()
    await shop.store.write([cell("a", b"old")])
    assert await read(shop, "a") == {"a": b"old"}
    await settle(shop, claim, cells=[cell("a", b"new")])
    assert await read(shop, "a") == {"a": b"new"}


async def test_of_many_writes_of_a_key_the_last_one_counts(shop: Shop):
    claim = await shop.claimed()
    await settle(shop, claim, cells=[cell("a", b"1"), Absent(space="shop", key="a"), cell("a", b"2")])
    assert await read(shop, "a") == {"a": b"2"}


async def test_an_instance_whose_id_is_taken_is_left_out_and_the_rest_is_kept(shop: Shop):
    claim = await shop.claimed()
    await shop.create("taken", seed=b"s" * 16)
    await settle(shop, claim, new=[new("taken", seed=b"t" * 16), new("free")], cells=[cell("a")])
    assert (await shop.get("taken")).seed == b"s" * 16
    assert await shop.status("free") == "queued"
    assert await read(shop, "a") == {"a": b"1"}


async def test_a_full_queue_refuses_no_effects(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(names, "QUEUED", 1)
    claim = await shop.claimed()
    await shop.create("waits")
    assert (await settle(shop, claim, new=[new("b"), new("c")])).refused == []
    assert (await shop.store.counts("shop"))["queued"] == 3


async def test_a_child_among_the_effects_follows_its_parent(shop: Shop):
    claim, gone = await shop.claimed("parent"), await shop.claimed("gone")
    await shop.end(gone)
    await settle(shop, claim, new=[new("kid", parent=gone.key, awaited=".child", follows=True)])
    kid = await shop.get("kid")
    assert kid.parent == gone.key
    assert [type_ for _, type_ in await shop.events(kid.key)] == [CANCEL], "it came too late"


async def test_effects_that_the_database_cannot_take_refuse_the_whole_batch(shop: Shop):
    claim = await shop.claimed()
    with pytest.raises(InvalidInput):
        await settle(shop, claim, cells=[cell("a"), cell("b", expires_at=2**70)])
    assert await read(shop, "a") == {}
    assert await shop.store.journal(claim.key) == []
    assert (await settle(shop, claim, cells=[cell("a")])).refused == []
