"""Requests through a real runtime: bodies in pieces both ways, who leaves, who dies, what goes on after."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.runner.stage import meanwhile, until
from tests.runner.test_peer import Listener, asked, made, play
from wflow.bindings.binding import Raised
from wflow.engine import values
from wflow.errors import LinkError, TooLarge
from wflow.link import frames
from wflow.link.bodies import WINDOW_BYTES
from wflow.runner import exchanges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from wflow.runner.peer import Peer
    from wflow.wire.types import HttpAnswer, HttpRequest

TOP = """
from wflow import Request

seen = []


async def count(up_to, size=1_000):
    try:
        for number in range(up_to):
            seen.append(number)
            yield str(number % 10) * size
            await asyncio.sleep(0)
    finally:
        seen.append("end")


async def break_off():
    yield b"begun"
    raise ValueError("no more")


async def echo(request):
    async for piece in request.body:
        yield piece


async def note(what, seconds=0.0):
    await asyncio.sleep(seconds)
    seen.append(what)
"""
BODY = """
        match request.path:
            case "/count":
                return Response(count(int(request.query["to"])))
            case "/large":
                return Response(bytes(3_000_000))
            case "/small":
                return Response("small")
            case "/echo":
                return Response(echo(request))
            case "/deaf":
                return Response("not read")
            case "/size":
                return Response(str(len(await request.bytes())))
            case "/break":
                return Response(break_off())
            case "/die":
                return Response((os._exit(1) if n else b"x" for n in range(2)))
            case "/sleep":
                self.ctx.wait_until(note("went on", 0.05))
                try:
                    await asyncio.sleep(600)
                finally:
                    seen.append("left")
            case "/later":
                self.ctx.wait_until(note("later", 0.1))
                self.ctx.pass_through_on_exception()
                return Response("now")
            case "/seen":
                return Response.json(seen)

    async def add(self, one, two=0, *, times=1):
        return (one + two) * times

    async def refuse(self):
        raise LookupError("no such thing")

    def _inner(self):
        return 1


class Other(WorkerEntrypoint):
    def name(self):
        return f"other {self.env.PSST}"
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Callable[[Callable[[Peer], Awaitable[None]]], None]:
    """Tell a story of a runtime that is up and has the Worker above."""

    def tell(story: Callable[[Peer], Awaitable[None]]) -> None:
        async def told(peer: Peer, _listener: Listener) -> None:
            await peer.start(tmp_path)
            await peer.load(made(tmp_path, BODY.lstrip(), TOP))
            await story(peer)

        play(told)

    return tell


async def whole(answer: HttpAnswer) -> bytes:
    rest = [] if answer.rest is None else [piece async for piece in answer.rest]
    return b"".join((answer.body, *rest))


async def seen(peer: Peer) -> list[object]:
    found: list[object] = msgspec.json.decode((await peer.fetch(asked("/seen"))).body)
    return found


def posted(path: str, rest: AsyncIterator[bytes] | None, body: bytes = b"") -> HttpRequest:
    return msgspec.structs.replace(asked(path), method="POST", body=body, rest=rest)


def test_an_answer_comes_in_pieces_as_far_as_they_are_taken(runtime):
    async def story(peer: Peer) -> None:
        answer = await peer.fetch(asked("/count?to=5000"))
        assert (answer.status, answer.body, answer.length) == (200, b"", None)
        assert answer.rest is not None
        assert await anext(aiter(answer.rest)) == b"0" * 1_000
        # The window is full now, and who reads nothing holds nobody else up.
        assert (await peer.fetch(asked("/small"))).body == b"small"
        while len(await seen(peer)) < 200:
            pass
        await meanwhile(0.05)
        assert len(await seen(peer)) < 400
        rest = await whole(answer)
        assert len(rest) == 4_999_000
        assert not peer.busy

        large = await peer.fetch(asked("/large"))
        assert (large.length, len(await whole(large))) == (3_000_000, 3_000_000)

    runtime(story)


def test_a_request_comes_in_pieces_as_they_are_read(runtime):
    async def story(peer: Peer) -> None:
        sent: list[int] = []

        async def upload(pieces: int) -> AsyncIterator[bytes]:
            for number in range(pieces):
                sent.append(number)
                yield bytes([number % 256]) * 100_000

        answer = await peer.fetch(posted("/size", upload(30), b"begun"))
        assert await whole(answer) == b"3000005"
        sent.clear()
        echoed = await peer.fetch(posted("/echo", upload(30)))
        assert len(await whole(echoed)) == 3_000_000
        sent.clear()
        assert (await peer.fetch(posted("/deaf", upload(1_000)))).body == b"not read"
        assert len(sent) < 10, "what nobody reads is not sent"
        assert not peer.busy

    runtime(story)


def test_who_leaves_ends_the_handler_and_what_was_to_go_on_goes_on(runtime):
    async def story(peer: Peer) -> None:
        visit = asyncio.create_task(peer.fetch(asked("/sleep")))
        await until(lambda: peer.busy, "the request")
        await peer.fetch(asked("/small"))
        visit.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await visit
        await until(lambda: not peer.busy, "its end")
        assert await seen(peer) == ["left", "went on"]

        answer = await peer.fetch(asked("/count?to=100000"))
        assert answer.rest is not None
        await anext(aiter(answer.rest))
        await answer.rest.aclose()
        await until(lambda: not peer.busy, "its end")
        assert (await seen(peer))[-1] == "end", "a stream that nobody reads is closed"

    runtime(story)


def test_an_upload_that_fails_fails_its_request(runtime):
    async def story(peer: Peer) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"a"
            raise TooLarge("that is enough")

        with pytest.raises(TooLarge):
            await peer.fetch(posted("/size", broken()))
        await until(lambda: not peer.busy, "its end")

    runtime(story)


def test_an_answer_that_breaks_off_is_told_to_who_reads_it(runtime):
    async def story(peer: Peer) -> None:
        answer = await peer.fetch(asked("/break"))
        with pytest.raises(LinkError, match="broke off: ValueError"):
            await whole(answer)
        assert not peer.busy
        dying = await peer.fetch(asked("/die"))
        with pytest.raises(LinkError, match="the runtime is gone"):
            await whole(dying)
        assert not peer.busy

    runtime(story)


def test_a_drain_waits_for_what_goes_on_after_the_answer(runtime, tmp_path):
    async def story(peer: Peer) -> None:
        assert (await peer.fetch(asked("/later"))).body == b"now"
        assert peer.exchanges.lingers
        assert len(peer.exchanges) == 0
        said = tmp_path / "said"
        assert not said.exists()
        await peer.drain(0)
        assert not peer.exchanges.lingers, "it came to its end before the process did"

    runtime(story)


def test_a_drain_does_not_wait_for_a_stream_that_goes_on(runtime):
    async def story(peer: Peer) -> None:
        answer = await peer.fetch(asked("/count?to=100000"))
        assert answer.rest is not None
        await anext(aiter(answer.rest))
        assert not peer.exchanges.lingers
        await peer.drain(0)
        with pytest.raises(LinkError, match="the runtime is gone"):
            await whole(answer)

    runtime(story)


def test_methods_are_called_and_what_they_raise_is_raised(runtime):
    async def story(peer: Peer) -> None:
        async def ask(entrypoint: str, method: str, *given: object, **named: object) -> object:
            return await peer.exchanges.ask(entrypoint, method, values.encode([list(given), named]), 1)

        assert await ask("", "add", 1, 2, times=3) == 9
        assert await ask("Other", "name") == "other psst"
        with pytest.raises(Raised) as raised:
            await ask("", "refuse")
        assert (raised.value.failure.name, raised.value.failure.message) == ("LookupError", "no such thing")
        for entrypoint, method in (
            ("", "_inner"),
            ("", "fetch"),
            ("", "env"),
            ("", "nothing"),
            ("None", "add"),
        ):
            with pytest.raises(Raised) as refused:
                await ask(entrypoint, method)
            assert refused.value.failure.name == "InvalidInput"
        assert not peer.busy

    runtime(story)


def test_a_runtime_that_sends_more_than_there_is_room_for_is_cut(runtime):
    async def story(peer: Peer) -> None:
        answer = await peer.fetch(asked("/count?to=100000"))
        (exchange,) = peer.exchanges._open.values()
        peer.exchanges.hear(frames.Piece(exchange.number, bytes(WINDOW_BYTES * 2)))
        with pytest.raises(LinkError, match="more of a body than there is room for"):
            await whole(answer)

    runtime(story)


def test_a_runtime_that_stops_is_no_end_for_others(runtime, monkeypatch):
    monkeypatch.setattr(exchanges, "FETCH_BYTES", WINDOW_BYTES)

    async def story(peer: Peer) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield bytes(50_000)
                await asyncio.sleep(0)

        os.kill(peer.pid or 0, signal.SIGSTOP)
        upload = asyncio.create_task(peer.fetch(posted("/size", endless())))
        await meanwhile()
        with pytest.raises(LinkError, match="that is the limit"):
            await peer.fetch(posted("/size", endless()))
        upload.cancel()
        os.kill(peer.pid or 0, signal.SIGCONT)
        await until(lambda: not peer.busy, "the end of it")

    runtime(story)
