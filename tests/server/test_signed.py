"""A signed address lets one request in, and no other."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from wflow import stores
from wflow.server.signed import SIGNED_S, is_signed, signed

NOON = 1_795_348_800_000
PATH = "/client/v4/accounts/local/d1/database/x/export/y.sql"


@pytest.mark.parametrize(
    ("asked", "later_s", "good"),
    [
        (("GET", PATH, ""), 0, True),
        (("GET", PATH, ""), SIGNED_S - 1, True),
        (("GET", PATH, ""), SIGNED_S, False),
        (("PUT", PATH, ""), 0, False),
        (("GET", f"{PATH}l", ""), 0, False),
        (("GET", PATH, "A"), 0, False),
    ],
)
def test_a_signature_is_for_one_method_one_path_and_an_hour(tmp_path, asked, later_s, good):
    async def story() -> bool:
        store = await stores.connect(f"sqlite://{tmp_path}")
        try:
            text = await signed(store, "GET", PATH, now=NOON)
            assert await signed(store, "GET", PATH, now=NOON) == text, "the key is kept"
            method, path, spoil = asked
            query = text.partition("?")[2] + spoil
            return await is_signed(store, asking(method, path, query), now=NOON + later_s * 1_000)
        finally:
            await store.close()

    assert asyncio.run(story()) is good


def test_nothing_is_signed_where_nobody_ever_signed(tmp_path):
    async def story() -> bool:
        store = await stores.connect(f"sqlite://{tmp_path}")
        try:
            return await is_signed(store, asking("GET", PATH, f"signature={NOON + 1}-{'A' * 43}"), now=NOON)
        finally:
            await store.close()

    assert asyncio.run(story()) is False


def asking(method: str, path: str, query: str) -> Request:
    """Make a request."""
    return Request(
        {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": []}
    )
