"""Bodies on their way between a visitor and a Worker, and what happens when one of them stops."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import ClientDisconnect, Request

from wflow.errors import LinkError, TooLarge
from wflow.server import visit
from wflow.server.visit import Visit, respond
from wflow.wire.types import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCOPE = {"type": "http", "method": "GET", "path": "/x", "headers": []}


class Pieces:
    """What comes of an answer's body: pieces, and an error if it is told so."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self.left = list(pieces)
        self.error = error
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.left:
            return self.left.pop(0)
        raise self.error or StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


def relayed(
    rest: Pieces, *headers: tuple[str, str], method: str = "GET", **more: Any
) -> list[dict[str, Any]]:
    """Give what is sent of an answer."""
    answer = HttpAnswer(**{"status": 200, "headers": list(headers), "body": b"", "rest": rest, **more})
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    async def receive() -> Any:
        raise NotImplementedError

    asyncio.run(respond(answer, method=method)(SCOPE, receive, send))
    assert rest.closed
    return sent


def test_an_answer_is_sent_as_it_comes():
    start, *body = relayed(Pieces(b"a", b"b"), ("x-a", "1"), ("date", "then"))
    assert start["headers"] == [(b"x-a", b"1")], "the server has a date of its own"
    assert [(one["body"], one["more_body"]) for one in body] == [(b"a", True), (b"b", True), (b"", False)]


@pytest.mark.parametrize(
    ("declared", "known", "told"),
    [("2", None, b"2"), ("99", 2, b"2"), ("many", None, None), ("9" * 19, None, None)],
)
def test_a_length_is_told_if_it_is_known_or_declared(declared: str, known: int | None, told: bytes | None):
    start, *_ = relayed(Pieces(b"a", b"b"), ("content-length", declared), length=known)
    assert dict(start["headers"]).get(b"content-length") == told


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        (Pieces(b"abc"), "more than the 2 bytes that it declared"),
        (Pieces(b"a"), "gave 1 of the 2 bytes"),
        (Pieces(b"a", error=LinkError("the runtime is gone")), "the runtime is gone"),
    ],
)
def test_an_answer_that_breaks_off_has_no_end(pieces: Pieces, why: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        sent = relayed(pieces, ("content-length", "2"))
    assert all(one.get("more_body", True) for one in sent)
    assert why in caplog.text


def test_who_takes_nothing_for_too_long_is_gone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(visit, "STALLED_S", 0.01)
    rest = Pieces(b"a")
    response = respond(HttpAnswer(status=200, headers=[], body=b"", rest=rest), method="GET")

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    with caplog.at_level(logging.WARNING):
        asyncio.run(response(SCOPE, None, send))  # type: ignore[arg-type]
    assert "the client takes nothing" in caplog.text
    assert rest.closed


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 205)])
def test_what_has_no_body_wants_none(method: str, status: int):
    rest = Pieces(b"a" * 5)
    sent = relayed(rest, method=method, status=status, length=5)
    assert b"".join(one["body"] for one in sent[1:]) == b""
    assert rest.left
    told = dict(sent[0]["headers"]).get(b"content-length")
    assert told == {("HEAD", 200): b"5", ("GET", 205): b"0"}.get((method, status))


class Client:
    """What a client sends, in messages, and then nothing, or that it leaves."""

    def __init__(
        self, *pieces: bytes, leaves: bool = False, length: str | None = None, ends: bool = True
    ) -> None:
        self.messages = [
            {"type": "http.request", "body": piece, "more_body": not ends or n < len(pieces)}
            for n, piece in enumerate(pieces, 1)
        ]
        if leaves:
            self.messages.append({"type": "http.disconnect"})
        headers = [] if length is None else [(b"content-length", length.encode())]
        self.request = Request({**SCOPE, "headers": headers}, self.receive)

    async def receive(self) -> Any:
        if self.messages:
            return self.messages.pop(0)
        return await asyncio.sleep(60)


async def read(client: Client) -> tuple[bytes, list[bytes] | None]:
    async with Visit(client.request) as visited:
        body, rest = await visited.body()
        return body, None if rest is None else [piece async for piece in rest]


def test_a_short_body_is_read_at_once_and_a_long_one_in_pieces(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(visit, "AT_ONCE_BYTES", 4)
    assert asyncio.run(read(Client(b""))) == (b"", None)
    assert asyncio.run(read(Client(b"ab", b"cd", length="4"))) == (b"abcd", None)
    assert asyncio.run(read(Client(b"abcdef", length="6"))) == (b"abcd", [b"ef"])
    assert asyncio.run(read(Client(b"ab", b"", b"cd"))) == (b"ab", [b"cd"])
    assert asyncio.run(read(Client(b"abcde", b"fg", length="7"))) == (b"abcd", [b"e", b"fg"])


@pytest.mark.parametrize("length", [None, "11", "9" * 30])
def test_a_body_has_a_limit(length: str | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(visit, "AT_ONCE_BYTES", 4)
    monkeypatch.setattr(visit, "BODY_BYTES", 10)
    with pytest.raises(TooLarge, match="larger than 10 bytes"):
        asyncio.run(read(Client(b"abcdef", b"ghijkl", length=length)))


def test_who_leaves_in_the_midst_of_an_upload_ends_it():
    with pytest.raises(ClientDisconnect):
        asyncio.run(read(Client(b"ab", ends=False, leaves=True)))


def test_who_leaves_while_it_is_waited_for_ends_what_it_waits_for():
    async def story() -> None:
        async with Visit(Client(b"ab", leaves=True).request) as visited:
            await visited.body()
            await asyncio.sleep(60)

    with pytest.raises(ClientDisconnect):
        asyncio.run(story())


def test_another_cancellation_is_no_departure():
    async def story() -> None:
        async with Visit(Client(b"ab").request) as visited:
            await visited.body()
            await asyncio.sleep(60)

    async def cancelled() -> None:
        task = asyncio.ensure_future(story())
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
