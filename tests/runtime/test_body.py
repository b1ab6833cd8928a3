"""Bodies: read once, cloned, in pieces, and never more of one in memory than is allowed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from wflow.errors import TooLarge
from wflow.runtime import body as bodies
from wflow.runtime.body import Body, BodyUsed
from wflow.runtime.forms import Blob, FormData
from wflow.runtime.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine


async def three() -> AsyncIterator[bytes]:
    for piece in (b"a", b"b", b"c"):
        await asyncio.sleep(0)
        yield piece


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def posted(body: Any = b"abc") -> Request:
    return Request("POST", "http://a/", [], body)


@pytest.mark.parametrize("make", [lambda: b"abc", three])
def test_a_body_is_read_once(make: Any):
    async def story() -> None:
        request = posted(make())
        assert not request.body_used
        assert await request.text() == "abc"
        assert (request.body_used, request.bodyUsed) == (True, True)
        for read in (
            request.text,
            request.json,
            request.bytes,
            request.buffer,
            request.blob,
            request.form_data,
        ):
            with pytest.raises((OSError, TypeError)):
                await read()
        with pytest.raises(OSError, match="Body already used"):
            request.clone()
        with pytest.raises(OSError, match="Body already used"):
            [piece async for piece in request.body or pytest.fail("there was one")]

    run(story())


@pytest.mark.parametrize("make", [lambda: b"abc", three])
def test_a_clone_is_read_beside_what_it_is_of(make: Any):
    async def story() -> None:
        request = posted(make())
        other = request.clone()
        third = other.clone()
        texts = await asyncio.gather(third.text(), request.text(), other.text())
        assert list(texts) == ["abc"] * 3

    run(story())


def test_an_error_in_the_midst_of_a_body_is_every_readers():
    async def breaks() -> AsyncIterator[bytes]:
        yield b"a"
        raise ConnectionError("gone")

    async def story() -> None:
        with pytest.raises(ConnectionError):
            await posted(breaks()).text()

    run(story())


def test_a_body_is_gone_through_in_pieces_and_there_is_none_when_there_is_none():
    async def story() -> list[object]:
        return [[piece async for piece in posted(given).body or ()] for given in (three(), b"abc")]  # type: ignore[union-attr]

    assert run(story()) == [[b"a", b"b", b"c"], [b"abc"]]
    assert posted(b"").body is None


def test_a_piece_knows_what_cloudflares_pieces_know():
    async def story() -> bytes:
        body = posted(three()).body
        assert body is not None
        piece = await anext(aiter(body))
        return bytes(piece.to_bytes() + piece.to_py())

    assert run(story()) == b"aa"


def test_what_is_read_whole_has_a_limit_and_so_has_what_a_clone_keeps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "WHOLE_BYTES", 2)

    async def story() -> None:
        with pytest.raises(TooLarge, match="larger than 2 bytes"):
            await posted(three()).bytes()
        request = posted(three())
        other = request.clone()
        with pytest.raises(TooLarge, match="a clone of a body keeps 2 bytes"):
            [piece async for piece in other.body or pytest.fail("there was one")]

    run(story())


def test_an_answer_is_made_of_whatever_gives_text_or_bytes():
    def plain() -> Any:
        yield "a"
        yield bytearray(b"b")

    async def story() -> list[bytes]:
        form = FormData({"a": "1"})
        given: list[Any] = ["ab", b"ab", memoryview(b"ab"), Blob(["a", b"b"]), plain(), three(), form]
        return [await Response(one).bytes() for one in given]

    *texts, form = run(story())
    assert texts == [b"ab"] * 5 + [b"abc"]
    assert b'name="a"' in form


@pytest.mark.parametrize("piece", [1, None, {"a": 1}])
def test_what_gives_anything_else_fails_as_it_is_read(piece: Any):
    async def wrong() -> AsyncIterator[Any]:
        yield piece

    with pytest.raises(TypeError, match="gives text or bytes, not"):
        run(Response(wrong()).bytes())


def test_a_stream_is_ended_by_whoever_wants_no_more_of_it():
    ended: list[str] = []

    class Stream:
        def __aiter__(self) -> Stream:
            return self

        async def __anext__(self) -> bytes:
            return b"x"

        async def aclose(self) -> None:
            ended.append("closed")

    async def story() -> None:
        for begun in (False, True):
            source = Response(Stream()).parts()[2]
            assert not isinstance(source, bytes)
            if begun:
                await anext(source)
            await bodies.close(source)

    run(story())
    assert ended == ["closed", "closed"]


def test_bytes_are_sent_as_often_as_somebody_asks_and_a_stream_once():
    whole, stream = Body(b"a"), Body(three())
    assert [whole.send(), whole.send()] == [b"a", b"a"]
    stream.send()
    with pytest.raises(BodyUsed):
        stream.send()
