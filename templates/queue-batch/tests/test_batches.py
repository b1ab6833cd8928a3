"""Tests of this project. Its instances run in this process, and nothing is left behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wflow.testing import Kit, crash_everywhere

ORDERS = [
    {"id": "m1", "article": "tea", "count": 2},
    {"id": "m2", "article": "milk", "count": 1},
    {"id": "m3", "article": "tea", "count": 3},
]


async def works_off(wflow: Kit, id_: str, orders: list[dict[str, Any]]) -> dict[str, int]:
    batch = await wflow.env.BATCHES.create(id=id_, params={"orders": orders})
    return await batch.result()


async def test_orders_are_counted_by_article(wflow: Kit) -> None:
    assert await works_off(wflow, "one", ORDERS) == {"tea": 5, "milk": 1}
    assert (await wflow.fetch("/totals/tea")).json() == {"tea": 5}
    assert (await wflow.fetch("/totals/coffee")).json() == {"coffee": 0}


async def test_an_order_that_comes_twice_counts_once(wflow: Kit) -> None:
    await works_off(wflow, "one", ORDERS)
    assert await works_off(
        wflow, "two", [ORDERS[0], {"id": "m4", "article": "tea", "count": 1}]
    ) == {"tea": 1}
    assert await wflow.env.TOTALS.get("tea") == "6"


@crash_everywhere
async def test_a_crash_changes_nothing(wflow: Kit) -> object:
    """It runs once for each durable write, and the process dies right there."""
    await works_off(wflow, "one", ORDERS)
    return await wflow.env.TOTALS.get("tea")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{oops",
        "[]",
        '{"article": "tea"}',
        '{"article": "tea", "count": 0}',
        '{"article": 1, "count": 1}',
    ],
)
async def test_what_is_no_order_is_refused(wflow: Kit, body: str) -> None:
    assert (await wflow.fetch("/orders", method="POST", body=body)).status == 400


async def test_an_order_is_taken(wflow: Kit) -> None:
    order = {"article": "tea", "count": 2}
    taken = await wflow.fetch("/orders", method="POST", body=json.dumps(order))
    assert (taken.status, taken.json()) == (202, {"queued": order})
    assert (await wflow.fetch("/nothing")).status == 404
    assert "POST /orders" in (await wflow.fetch("/")).text
