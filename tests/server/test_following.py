from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from wflow.errors import StoreError
from wflow.server.following import until_it_stops

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@dataclass
class Runner:
    """Says where its store ends; None when it stops."""

    position: int | None

    async def changed(self, after: int) -> int | None:
        assert after < 0, "it must not be waited for"
        return self.position


async def pages(closed: list[str]) -> AsyncGenerator[int, None]:
    try:
        yield 1
        yield 2
        raise StoreError("the store is closed")
    finally:
        closed.append("closed")


def followed(runner: Any, closed: list[str], *, most: int = 9) -> list[int]:
    async def follow() -> list[int]:
        seen = []
        lines = until_it_stops(runner, pages(closed))
        async for each in lines:
            seen.append(each)
            if len(seen) == most:
                await lines.aclose()
        return seen

    return asyncio.run(follow())


def test_a_store_that_is_closed_as_the_runner_stops_is_the_end():
    closed: list[str] = []
    assert followed(Runner(None), closed) == [1, 2]
    assert closed == ["closed"]


def test_a_store_that_breaks_while_the_runner_goes_on_is_an_error():
    with pytest.raises(StoreError):
        followed(Runner(0), [])


def test_who_hangs_up_ends_it_at_once():
    closed: list[str] = []
    assert followed(Runner(0), closed, most=1) == [1]
    assert closed == ["closed"]
