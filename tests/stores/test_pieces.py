"""The pieces of streams as cells: names that never mix steps up, and reading in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wflow.engine.stream import PIECE_BYTES, Reference
from wflow.errors import StoreError
from wflow.stores import pieces
from wflow.stores.store import Absent

if TYPE_CHECKING:
    from tests.stores.shop import Shop


@pytest.mark.parametrize("step", ["a-1", "a-1/1-1", "a-1 -1", "Ä-1", "a-1\U0010ffff-1", "rollback:a-1"])
def test_the_keys_of_a_step_lie_in_its_span_and_no_others_do(step: str):
    others = {"a-1", "a-1/1-1", "a-1 -1", "a-11", "a-", "Ä-1", "a-1\U0010ffff-1", "rollback:a-1"} - {step}
    first, beyond = (bound.encode() for bound in pieces.span(step))
    assert first <= pieces.key(step, "ff", 4_095).encode() < beyond
    for other in others:
        assert not first <= pieces.key(other, "a", 0).encode() < beyond
    assert pieces.stream_of(pieces.key(step, "a", 0)) == (step, "a")
    assert pieces.step_of(pieces.key(step, "a", 0)) == step


async def test_a_stream_is_read_in_the_order_of_its_pieces(shop: Shop):
    data = [bytes([number]) * PIECE_BYTES for number in range(11)] + [b"end"]
    cells = [pieces.cell(7, pieces.key("a-1", "b", number), piece) for number, piece in enumerate(data)]
    await shop.store.write(cells[::-1])
    stream = Reference(1, "a-1", "b", sum(map(len, data)), "")
    assert [piece async for piece in pieces.read(shop.store, 7, stream, now=1)] == data
    listed = await shop.store.scan(pieces.space(7), now=1)
    assert [pieces.size(cell) for cell in listed] == [PIECE_BYTES] * 11 + [3]


async def test_a_piece_that_is_gone_is_an_error(shop: Shop):
    cells = [pieces.cell(7, pieces.key("a-1", "a", number), bytes(PIECE_BYTES)) for number in range(2)]
    await shop.store.write(cells)
    await shop.store.write([Absent(space=pieces.space(7), key=cells[1].key)])
    reading = pieces.read(shop.store, 7, Reference(7, "a-1", "a", 2 * PIECE_BYTES, ""), now=1)
    assert await anext(reading) == bytes(PIECE_BYTES)
    with pytest.raises(StoreError, match="a piece of the stream of step 'a-1' is gone"):
        await anext(reading)
