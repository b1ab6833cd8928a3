"""What an append costs the database: few statements, and no question that is answered already."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.stores.shop import Shop, line, numbered
from wflow.engine.changes import Ended
from wflow.stores.store import Batch

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Iterator


@contextlib.contextmanager
def said(shop: Shop) -> Iterator[list[str]]:
    """Hear the statements; triggers have one told again."""
    db: sqlite3.Connection = shop.store._db  # type: ignore[attr-defined]
    heard: list[str] = []
    db.set_trace_callback(lambda text: heard.append(" ".join(text.split())))
    yield heard
    db.set_trace_callback(None)


@pytest.mark.parametrize(("count", "statements"), [(1, 1), (63, 6), (64, 1), (150, 5), (200, 4)])
async def test_facts_of_many_instances_take_few_statements_and_are_numbered_in_order(
    loop: asyncio.Runner, shop: Shop, count: int, statements: int
):
    await shop.create(*(f"i{number}" for number in range(count)))
    claims = await shop.claim(count)
    before = await shop.store.position()
    rows = [row for claim in claims for row in numbered(claim.key, (line(claim.id),), after=0)]
    with said(shop) as heard:
        appended = await shop.store.append(Batch(claims=[(one.key, one.epoch) for one in claims], rows=rows))
    assert appended.refused == []
    assert (heard[0], heard[-1]) == ("BEGIN IMMEDIATE", "COMMIT")
    assert [each.startswith("INSERT INTO records") for each in heard[1:-1]] == [True] * statements
    records = await shop.store.tail(before, limit=count + 1)
    assert [record.position for record in records] == list(range(before + 1, before + count + 1))
    assert [record.instance for record in records] == [claim.key for claim in claims]
    assert [record.body for record in records] == [row[4] for row in rows]


async def test_ends_of_many_instances_take_few_statements(loop: asyncio.Runner, shop: Shop):
    await shop.create(*(f"i{number}" for number in range(96)))
    claims = await shop.claim(96)
    ends = [Ended(claim.key, 20, "complete", b"out") for claim in claims]
    with said(shop) as heard:
        await shop.store.append(Batch(claims=[(one.key, one.epoch) for one in claims], changes=ends))
    told = set(heard)
    assert sum(each.startswith("UPDATE instances") for each in told) == 2
    assert sum(each.startswith("SELECT") for each in told) == 1
    assert await shop.store.counts("shop") == {"complete": 96}


async def test_rows_of_others_are_refused_and_take_no_position_of_those_that_stay(
    loop: asyncio.Runner, shop: Shop
):
    await shop.create("a", "b", "c")
    one, two, three = await shop.claim(3)
    rows = [row for claim in (one, two, three) for row in numbered(claim.key, (line("x"),), after=0)]
    appended = await shop.store.append(
        Batch(claims=[(one.key, one.epoch), (two.key, two.epoch - 1), (three.key, three.epoch)], rows=rows)
    )
    assert appended.refused == [two.key]
    records = await shop.store.tail(0)
    assert [record.instance for record in records] == [one.key, three.key]
    assert records[1].position == records[0].position + 1
    assert await shop.say(one, line("y"), after=1) == []
    assert await shop.say(two, line("y")) == []
