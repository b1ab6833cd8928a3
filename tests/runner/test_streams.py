"""Pieces of streams between runtimes and a real store: kept, counted, removed, and only of one's own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.stage import Faulty, desk, entry
from wflow.bindings.binding import Called
from wflow.engine.stream import PIECE_BYTES, PIECES
from wflow.errors import InvalidInput, StoreError
from wflow.runner import streams
from wflow.runner.holds import held
from wflow.runner.streams import Streams
from wflow.stores import pieces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wflow.stores.store import Claim, Store


class Bench:
    """One instance that is held, and the streams of whoever holds it."""

    def __init__(self, control: Any, claim: Claim, faulty: Faulty) -> None:
        self.control = control
        self.claim = claim
        self.faulty = faulty
        self.holds = {claim.key: held(claim)}
        self.streams = Streams(self.holds)

    @property
    def store(self) -> Store:
        return self.faulty.store

    async def call(self, method: str, *arguments: Any, instance: int | None = 0) -> Any:
        key = self.claim.key if instance == 0 else instance
        called = Called(method=f"stream.{method}", arguments=list(arguments), instance=key, step="a-1")
        return await self.streams.serve(self.control, called)

    async def put(self, number: int, piece: bytes = b"x", *, step: str = "a-1", mark: str = "1") -> Any:
        return await self.call("put", step, mark, number, piece)

    async def kept(self) -> list[str]:
        """Name what is on disk as `step token number`."""
        cells = await self.store.scan(pieces.space(self.claim.key), now=0, limit=10_000)
        parts = [cell.key.split(pieces.BETWEEN) for cell in cells]
        return [f"{step} {token} {int(number)}" for step, token, number in parts]

    async def claim_anew(self) -> None:
        """Have another holder, or the same one under another claim."""
        await self.store.release([(self.claim.key, self.claim.epoch)], now=0)
        (self.claim,) = await self.store.claim({"orders": 1}, owner="me", now=self.control.now())
        self.holds[self.claim.key] = held(self.claim)


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    box: list[Faulty] = []

    def through(store: Store) -> Faulty:
        box.append(Faulty(store))
        return box[0]

    async with desk(folder, through=through) as made:
        made.declare(entry("orders"))
        await made.create("orders", "a")
        (claim,) = await made.store.claim({"orders": 1}, owner="me", now=made.control.now())
        yield Bench(made.control, claim, box[0])


def on_bench(test: Any) -> Any:
    """Run a test that takes a bench."""

    def run(tmp_path: Path) -> None:
        async def perform() -> None:
            async with bench(tmp_path) as made:
                await test(made)

        asyncio.run(perform())

    run.__name__ = test.__name__
    return run


@on_bench
async def test_a_piece_comes_back_as_it_was_put(made: Bench) -> None:
    assert await made.put(0, b"one") is True
    assert await made.put(1, b"") is True
    assert await made.call("get", "a-1", "1", 0) == b"one"
    assert await made.call("get", "a-1", "1", 1) == b""
    assert await made.kept() == ["a-1 1 0", "a-1 1 1"]


@on_bench
async def test_a_piece_that_there_is_not_is_an_error(made: Bench) -> None:
    with pytest.raises(StoreError, match="a piece of the stream of step 'a-1' is gone"):
        await made.call("get", "a-1", "1", 0)


@on_bench
async def test_the_first_piece_clears_away_what_other_attempts_of_the_step_left(made: Bench) -> None:
    for number in range(200):
        await made.put(number)
    await made.put(0, step="b-1")
    await made.put(0, mark="2")
    assert await made.kept() == ["a-1 2 0", "b-1 1 0"]


@on_bench
async def test_it_clears_away_what_was_there_before_this_claim(made: Bench) -> None:
    for number in range(3):
        await made.put(number)
    await made.claim_anew()
    await made.put(0, b"new")
    assert await made.kept() == ["a-1 1 0"]
    assert await made.call("get", "a-1", "1", 0) == b"new"


@on_bench
async def test_a_step_is_dropped_with_the_pieces_that_are_on_their_way(made: Bench) -> None:
    await made.put(0)
    await made.put(0, step="b-1")
    made.faulty.delays_s["write"] = 0.05
    under_way = [asyncio.ensure_future(made.put(number)) for number in range(1, 5)]
    await asyncio.sleep(0)
    await made.call("drop", "a-1", "1")
    await asyncio.gather(*under_way)
    assert await made.kept() == ["b-1 1 0"]


@on_bench
async def test_of_a_step_only_the_stream_that_is_named_is_dropped(made: Bench) -> None:
    await made.put(0)
    await made.put(1, mark="2")
    await made.call("drop", "a-1", "1")
    assert await made.kept() == ["a-1 2 1"]


@on_bench
async def test_dropping_what_there_is_not_changes_nothing(made: Bench) -> None:
    await made.put(0)
    await made.call("drop", "a", "1")
    await made.call("drop", "b-1", "1")
    assert await made.kept() == ["a-1 1 0"]


@on_bench
async def test_what_could_not_be_removed_is_removed_the_next_time(made: Bench) -> None:
    for number in range(3):
        await made.put(number)
    made.faulty.failures["write"] = [StoreError("the disk is full")]
    with pytest.raises(StoreError):
        await made.call("drop", "a-1", "1")
    await made.call("drop", "a-1", "1")
    assert await made.kept() == []


@pytest.mark.parametrize(
    ("method", "arguments", "problem"),
    [
        ("put", ["a-1", "1", 0, bytes(PIECE_BYTES + 1)], "a piece of 262,145 bytes; the limit is 262,144"),
        ("put", ["a-1", "1", PIECES, b""], "a stream has at most 4,096 pieces"),
        ("put", ["a-1", "1", -1, b""], "a stream has at most 4,096 pieces"),
        ("put", ["a-1", "", 0, b""], "a stream has a step and a token, not 'a-1' and ''"),
        ("put", ["a-1", "1\x1f2", 0, b""], "a step and a token"),
        ("put", ["a-1", "1" * 33, 0, b""], "a step and a token"),
        ("put", ["", "1", 0, b""], "a stream has a step and a token, not '' and '1'"),
        ("put", ["a" * 300, "1", 0, b""], "a step and a token"),
        ("put", ["a-1\x1f1", "1", 0, b""], "a step and a token"),
        ("put", ["a-1", 1, 0, b""], "streams have no method 'stream.put'"),
        ("put", ["a-1", "1", 0, "text"], "streams have no method 'stream.put' with 4 such arguments"),
        ("put", ["a-1", "1", 0], "streams have no method 'stream.put' with 3 such arguments"),
        ("put", [1, "1", 0, b""], "streams have no method 'stream.put'"),
        ("get", ["a-1", "1", PIECES], "a stream has at most 4,096 pieces"),
        ("get", ["a-1", "1"], "streams have no method 'stream.get' with 2 such arguments"),
        ("drop", ["a-1", 7], "streams have no method 'stream.drop' with 2 such arguments"),
        ("list", [], "streams have no method 'stream.list' with 0 such arguments"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, method: str, arguments: list[Any], problem: str
) -> None:
    async def perform() -> None:
        async with bench(tmp_path) as made:
            with pytest.raises(InvalidInput) as refused:
                await made.call(method, *arguments)
            assert problem in refused.value.message
            assert await made.kept() == []

    asyncio.run(perform())


@on_bench
async def test_only_who_holds_an_instance_reaches_its_pieces(made: Bench) -> None:
    await made.put(0)
    for instance in (None, made.claim.key + 1):
        with pytest.raises(InvalidInput, match="of an instance that this runtime holds"):
            await made.call("get", "a-1", "1", 0, instance=instance)
    del made.holds[made.claim.key]
    with pytest.raises(InvalidInput):
        await made.put(1)
    with pytest.raises(InvalidInput):
        await made.call("drop", "a-1", "1")
    assert await made.kept() == ["a-1 1 0"]


@on_bench
async def test_what_comes_to_be_written_when_the_claim_is_over_is_not(made: Bench) -> None:
    for number in range(3):
        await made.put(number)
    made.streams = Streams(made.holds)  # it has to count first, which takes a while
    made.faulty.delays_s["scan"] = 0.02
    late = [asyncio.ensure_future(made.put(0, b"late")), asyncio.ensure_future(made.call("drop", "a-1", "1"))]
    await asyncio.sleep(0)
    await made.claim_anew()
    answers = await asyncio.gather(*late, return_exceptions=True)
    assert [str(one) for one in answers] == ["the instance is no longer this runtime's"] * 2
    assert await made.kept() == ["a-1 1 0", "a-1 1 1", "a-1 1 2"]
    assert await made.call("get", "a-1", "1", 0) == b"x"


@on_bench
async def test_an_instance_has_room_for_so_much_and_no_more(made: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "SHELF_BYTES", 4 * PIECE_BYTES)
        for number in range(3):
            assert await made.put(number, bytes(PIECE_BYTES)) is True
        assert await made.put(0, bytes(PIECE_BYTES), step="b-1") is True
        assert await made.put(3, b"") is False
        assert await made.put(2, bytes(PIECE_BYTES)) is True, "it takes the place of the one before"
        await made.claim_anew()
        assert await made.put(3, b"") is False, "what is there is counted anew"
        await made.call("drop", "b-1", "1")
        assert await made.put(3, b"") is True
    assert await made.kept() == ["a-1 1 0", "a-1 1 1", "a-1 1 2", "a-1 1 3"]


@on_bench
async def test_many_pieces_are_counted_page_by_page(made: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "PAGE", 7)
        for number in range(21):
            await made.put(number)
        await made.claim_anew()
        await made.call("drop", "a-1", "1")
    assert await made.kept() == []


@on_bench
async def test_instances_that_are_no_longer_held_are_forgotten(made: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "SHELVES", 2)
        made.streams = Streams(made.holds)
        for _ in range(5):
            await made.put(0)
            made.streams._shelves[-made.claim.epoch] = made.streams._shelves.pop(made.claim.key)
            await made.claim_anew()
        assert len(made.streams._shelves) <= 2
