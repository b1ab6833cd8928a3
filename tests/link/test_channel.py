from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from wflow.errors import LinkError
from wflow.link import channel, frames
from wflow.link.channel import Channel, connect
from wflow.link.frames import Acked, Call, Drain, Hello, Printed, Reply

ROOT = Path(__file__).parents[2]


class End:
    """One end, and what it has heard: the messages frame by frame, and how it was closed."""

    def __init__(self, expects: Any) -> None:
        self.frames: list[list[Any]] = []
        self.closed: list[LinkError | None] = []
        self._news = asyncio.Event()
        self.channel: Channel[Any] = Channel(expects, self._hear, self._close)

    @property
    def heard(self) -> list[Any]:
        return [message for frame in self.frames for message in frame]

    def _hear(self, messages: list[Any]) -> None:
        self.frames.append(messages)
        self._news.set()

    def _close(self, error: LinkError | None) -> None:
        self.closed.append(error)
        self._news.set()

    async def until(self, *, heard: int = 0, closed: int = 0) -> None:
        """Wait until it has heard so many messages, or was closed."""
        async with asyncio.timeout(20):
            while len(self.heard) < heard or len(self.closed) < closed:
                self._news.clear()
                await self._news.wait()


class Pair:
    """A runner's end and a runtime's."""

    def __init__(self) -> None:
        self.runner = End(frames.ToRunner)
        self.runtime = End(frames.ToRuntime)

    async def connect(self) -> None:
        ours, theirs = socket.socketpair()
        await connect(self.runner.channel, ours)
        await connect(self.runtime.channel, theirs)

    async def close(self) -> None:
        self.runner.channel.close()
        self.runtime.channel.close()
        await settle()


async def settle() -> None:
    """Let everything happen that is on its way by now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def pair() -> Pair:
    made = Pair()
    await made.connect()
    return made


class Wire:
    """A runner's end whose peer is a bare socket."""

    def __init__(self) -> None:
        self.runner = End(frames.ToRunner)
        ours, self.peer = socket.socketpair()
        self._ours = ours
        self.peer.setblocking(False)

    async def connect(self) -> None:
        await connect(self.runner.channel, self._ours)

    async def send(self, raw: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.peer, raw)

    async def receive(self, size: int) -> bytes:
        raw = b""
        async with asyncio.timeout(20):
            while len(raw) < size:
                part = await asyncio.get_running_loop().sock_recv(self.peer, size - len(raw))
                if not part:
                    break
                raw += part
        return raw

    async def frame(self) -> list[Any]:
        """Receive one frame."""
        (size,) = struct.unpack(">I", await self.receive(4))
        decoded: list[Any] = msgspec.msgpack.decode(await self.receive(size))
        return decoded

    async def close(self) -> None:
        self.runner.channel.close()
        self.peer.close()
        await settle()


async def wire() -> Wire:
    made = Wire()
    await made.connect()
    return made


def framed(*messages: Any) -> bytes:
    raw = msgspec.msgpack.encode(list(messages))
    return struct.pack(">I", len(raw)) + raw


# -- there and back ---------------------------------------------------------------------------------------


async def test_what_is_sent_now_leaves_at_once_behind_what_waits(loop):
    pair = Pair()
    pair.runtime.channel.send(Hello(frames.PROTOCOL, 1))
    pair.runtime.channel.send_now(Hello(frames.PROTOCOL, 2))
    await pair.connect()
    await pair.runner.until(heard=2)
    pair.runtime.channel.send(Hello(frames.PROTOCOL, 3))
    pair.runtime.channel.send_now(Hello(frames.PROTOCOL, 4))
    pair.runtime.channel.send(Hello(frames.PROTOCOL, 5))
    await pair.runner.until(heard=5)
    assert [[one.pid for one in frame] for frame in pair.runner.frames] == [[1, 2], [3, 4], [5]]
    await pair.close()


async def test_messages_arrive_in_both_directions(loop):
    link = await pair()
    link.runtime.channel.send(Hello(1, 2))
    link.runner.channel.send(Drain())
    await link.runner.until(heard=1)
    await link.runtime.until(heard=1)
    assert (link.runner.heard, link.runtime.heard) == ([Hello(1, 2)], [Drain()])
    await link.close()


async def test_what_is_sent_in_one_pass_of_the_loop_is_one_frame(loop):
    link = await pair()
    sent = [Hello(1, number) for number in range(1000)]
    for message in sent:
        link.runtime.channel.send(message)
    await link.runner.until(heard=1000)
    link.runtime.channel.send(Hello(2, 0))
    await link.runner.until(heard=1001)
    assert link.runner.frames == [sent, [Hello(2, 0)]]
    await link.close()


async def test_a_flush_ends_a_frame_at_once(loop):
    link = await pair()
    link.runtime.channel.send(Hello(1, 1))
    link.runtime.channel.flush()
    link.runtime.channel.send(Hello(1, 2))
    await link.runner.until(heard=2)
    assert link.runner.frames == [[Hello(1, 1)], [Hello(1, 2)]]
    link.runtime.channel.flush()
    await settle()
    assert len(link.runner.frames) == 2
    await link.close()


async def test_a_frame_is_a_length_and_a_list_of_messages(loop):
    link = await wire()
    link.runner.channel.send(Acked(7, [1, 2]))
    link.runner.channel.send(Drain())
    assert await link.frame() == [[3, 7, [1, 2]], [8]]
    await link.close()


async def test_ten_thousand_messages_keep_their_order_in_both_directions(loop):
    link = await pair()
    for number in range(10_000):
        link.runtime.channel.send(Call(number, "KV", "get", b"x" * (number % 50)))
        link.runner.channel.send(Reply(number, b"y" * (number % 50)))
        if number % 77 == 0:
            await asyncio.sleep(0)
    await link.runner.until(heard=10_000)
    await link.runtime.until(heard=10_000)
    assert [message.call for message in link.runner.heard] == list(range(10_000))
    assert [message.call for message in link.runtime.heard] == list(range(10_000))
    assert len(link.runner.frames) <= 200
    await link.close()


async def test_a_large_message_arrives_whole_between_small_ones(loop):
    link = await pair()
    sent = [Hello(1, 1), Printed("info", "x" * 20_000_000, 1), Hello(1, 2)]
    for message in sent:
        link.runtime.channel.send(message)
    await link.runner.until(heard=3)
    assert link.runner.heard == sent
    await link.close()


async def test_what_would_make_a_frame_too_long_begins_the_next_one(loop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(channel, "_SPLIT_BYTES", 1000)
    link = await pair()
    sent = [Printed("info", "x" * size, number) for number, size in enumerate([300, 300, 300, 5000, 10, 10])]
    for message in sent:
        link.runtime.channel.send(message)
    await link.runner.until(heard=len(sent))
    assert link.runner.heard == sent
    assert [len(frame) for frame in link.runner.frames] == [3, 1, 2]
    await link.close()


# -- bytes as they come -----------------------------------------------------------------------------------


async def test_frames_that_come_byte_by_byte_are_put_together(loop):
    link = await wire()
    for byte in framed(Hello(1, 1), Hello(1, 2)) + framed(Hello(1, 3)):
        await link.send(bytes([byte]))
        await settle()
    await link.runner.until(heard=3)
    assert link.runner.frames == [[Hello(1, 1), Hello(1, 2)], [Hello(1, 3)]]
    await link.close()


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 11])
async def test_frames_that_come_in_odd_pieces_are_taken_apart(loop, cut: int):
    link = await wire()
    raw = b"".join(framed(Hello(1, number)) for number in range(20))
    for start in range(0, len(raw), len(raw) // cut + 1):
        await link.send(raw[start : start + len(raw) // cut + 1])
        await settle()
    await link.runner.until(heard=20)
    assert link.runner.frames == [[Hello(1, number)] for number in range(20)]
    await link.close()


async def test_an_empty_list_is_a_frame_without_messages(loop):
    link = await wire()
    await link.send(framed() + framed(Hello(1, 1)))
    await link.runner.until(heard=1)
    assert link.runner.heard == [Hello(1, 1)]
    await link.close()


NONSENSE = {
    "an empty frame": b"\x00\x00\x00\x00",
    "no msgpack": struct.pack(">I", 1) + b"\xc1",
    "no list": struct.pack(">I", 1) + b"\x01",
    "more than a list": struct.pack(">I", 2) + b"\x90\x01",
    "an unknown message": framed([99, 1]),
    "a message of the other direction": framed(Drain()),
    "a field of another type": framed([20, "one", 2]),
    "a field too few": framed([20, 1]),
    "text that is no UTF-8": struct.pack(">I", 9) + b"\x91\x94\x1c\xa1\xff\xa1a\x01\x01",
    "lists without end": struct.pack(">I", 100_004) + b"\x91\x94\x14\x01" + b"\x91" * 100_000,
    "a head that is text": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("raw", NONSENSE.values(), ids=NONSENSE)
async def test_a_peer_that_talks_nonsense_is_hung_up_on_with_an_error(loop, raw: bytes):
    link = await wire()
    await link.send(framed(Hello(1, 1)) + raw + framed(Hello(1, 2)))
    await link.runner.until(closed=1)
    assert link.runner.heard == [Hello(1, 1)]
    (error,) = link.runner.closed
    assert isinstance(error, LinkError)
    assert error.message.startswith("the peer sent a frame ")
    assert link.runner.channel.closed
    assert await hung_up(link)
    assert len(link.runner.closed) == 1
    await link.close()


async def hung_up(link: Wire) -> bool:
    try:
        return await link.receive(1) == b""
    except ConnectionResetError:
        return True


async def test_a_frame_that_is_too_long_is_refused_before_it_comes(loop):
    link = await wire()
    await link.send(struct.pack(">I", frames.FRAME_BYTES + 1))
    await link.runner.until(closed=1)
    (error,) = link.runner.closed
    assert error is not None
    assert error.message == "the peer sent a frame of 536,870,913 bytes; the limit is 536,870,912"
    await link.close()


# -- messages that cannot be sent -------------------------------------------------------------------------


async def test_a_message_that_cannot_be_sent_is_its_senders_error_and_spoils_no_other(loop):
    link = await pair()
    link.runtime.channel.send(Hello(1, 1))
    with pytest.raises(OverflowError):
        link.runtime.channel.send(Hello(1, 2**70))
    with pytest.raises(TypeError):
        link.runtime.channel.send(object())
    link.runtime.channel.send(Hello(1, 2))
    await link.runner.until(heard=2)
    assert link.runner.frames == [[Hello(1, 1), Hello(1, 2)]]
    await link.close()


async def test_a_message_that_is_too_long_is_its_senders_error(loop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(channel, "_MESSAGE_BYTES", 1000)
    link = await pair()
    with pytest.raises(LinkError, match=r"a message of 1,0\d\d bytes; the limit is 1,000"):
        link.runtime.channel.send(Printed("info", "x" * 1000, 1))
    link.runtime.channel.send(Printed("info", "x" * 900, 1))
    await link.runner.until(heard=1)
    assert link.runner.closed == []
    await link.close()


async def test_text_that_is_no_unicode_is_made_readable(loop):
    link = await pair()
    link.runtime.channel.send(Printed("info", "a\udcffb", 1))
    link.runtime.channel.send(Printed("info", "c", 2))
    await link.runner.until(heard=2)
    assert link.runner.frames == [[Printed("info", "a?b", 1), Printed("info", "c", 2)]]
    await link.close()


# -- before the connection --------------------------------------------------------------------------------


async def test_what_is_sent_before_there_is_a_connection_is_the_first_frame(loop):
    link = Pair()
    link.runtime.channel.send(Hello(1, 1))
    await settle()
    link.runtime.channel.send(Hello(1, 2))
    assert not link.runtime.channel.closed
    await link.connect()
    await link.runner.until(heard=2)
    assert link.runner.frames == [[Hello(1, 1), Hello(1, 2)]]
    await link.close()


async def test_a_channel_that_was_closed_before_its_connection_hangs_up_at_once(loop):
    link = Pair()
    link.runtime.channel.send(Hello(1, 1))
    link.runtime.channel.close()
    assert link.runtime.channel.closed
    await link.connect()
    await link.runner.until(closed=1)
    assert (link.runner.heard, link.runner.closed, link.runtime.closed) == ([], [None], [])
    await link.close()


# -- the end ----------------------------------------------------------------------------------------------


async def test_closing_says_what_was_still_to_be_said(loop):
    link = await pair()
    for number in range(100):
        link.runtime.channel.send(Printed("info", "x" * 100_000, number))
    link.runtime.channel.close()
    await link.runner.until(heard=100, closed=1)
    assert link.runner.closed == [None]
    assert link.runtime.closed == []
    assert link.runtime.channel.closed
    assert link.runner.channel.closed
    await link.close()
    assert link.runner.closed == [None]


async def test_sending_flushing_and_closing_after_the_end_do_nothing(loop):
    link = await pair()
    link.runtime.channel.close()
    await link.runner.until(closed=1)
    for end in (link.runtime, link.runner):
        end.channel.send(Hello(1, 1))
        end.channel.send(object())
        end.channel.flush()
        end.channel.close()
        end.channel.close()
    await settle()
    assert (link.runner.heard, link.runner.closed, link.runtime.closed) == ([], [None], [])


async def test_sending_to_a_peer_that_has_just_gone_is_harmless(loop):
    link = await wire()
    link.peer.close()
    for number in range(10):
        link.runner.channel.send(Acked(number, []))
        await asyncio.sleep(0)
    await link.runner.until(closed=1)
    link.runner.channel.send(Acked(11, []))
    await settle()
    assert len(link.runner.closed) == 1
    await link.close()


async def test_half_a_frame_at_the_end_is_not_handed_out(loop):
    link = await wire()
    await link.send(framed(Hello(1, 1)) + framed(Hello(1, 2))[:-1])
    link.peer.shutdown(socket.SHUT_WR)
    await link.runner.until(closed=1)
    assert (link.runner.heard, link.runner.closed) == ([Hello(1, 1)], [None])
    await link.close()


async def test_whoever_closes_while_hearing_hears_no_more(loop):
    heard: list[Any] = []
    over = asyncio.Event()

    def hear(messages: list[Any]) -> None:
        heard.extend(messages)
        end.close()
        over.set()

    closed: list[LinkError | None] = []
    end: Channel[Any] = Channel(frames.ToRunner, hear, closed.append)
    ours, theirs = socket.socketpair()
    theirs.sendall(framed(Hello(1, 1)) + framed(Hello(1, 2)))
    await connect(end, ours)
    async with asyncio.timeout(20):
        await over.wait()
    await settle()
    theirs.close()
    assert (heard, closed) == ([Hello(1, 1)], [])


PEER = """
    import asyncio, os, socket, sys
    from wflow.link import frames
    from wflow.link.channel import Channel, connect

    async def main():
        end = Channel(frames.ToRuntime, lambda messages: None, lambda error: os._exit(3))
        await connect(end, socket.socket(fileno=int(sys.argv[1])))
        number = 0
        while True:
            end.send(frames.Hello(number, os.getpid()))
            number += 1
            await asyncio.sleep(0)

    asyncio.run(main())
"""


@pytest.mark.parametrize("talkative", [True, False])
async def test_a_peer_that_is_killed_is_heard_of_once(loop, talkative: bool):  # noqa: FBT001
    runner = End(frames.ToRunner)
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: ASYNC220 - started, not waited for
        [sys.executable, "-c", textwrap.dedent(PEER), str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
    )
    theirs.close()
    await connect(runner.channel, ours)
    await runner.until(heard=100)
    if talkative:
        runner.channel.send(Reply(1, bytes(1_000_000)))
    os.kill(process.pid, signal.SIGKILL)
    await runner.until(closed=1)
    runner.channel.send(Drain())
    await settle()
    assert process.wait() == -signal.SIGKILL
    assert len(runner.closed) == 1
    assert runner.channel.closed
    assert [message.protocol for message in runner.heard] == list(range(len(runner.heard)))


async def test_a_peer_hears_of_the_death_of_its_runner(loop):
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: ASYNC220 - started, not waited for
        [sys.executable, "-c", textwrap.dedent(PEER), str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
    )
    theirs.close()
    runner = End(frames.ToRunner)
    await connect(runner.channel, ours)
    await runner.until(heard=1)
    runner.channel.close()
    assert await asyncio.to_thread(process.wait, 20) == 3


# -- an end that does not listen for a while ---------------------------------------------------------------


async def test_what_is_said_to_an_end_that_does_not_listen_is_heard_later_and_all_of_it(loop: asyncio.Runner):
    ends = await wire()
    await ends.send(framed(Hello(1, 1)))
    await ends.runner.until(heard=1)
    ends.runner.channel.pause()
    ends.runner.channel.pause()
    await ends.send(framed(Hello(2, 2)) + framed(Hello(3, 3)))
    ends.runner.channel.resume()
    await settle()
    assert ends.runner.heard == [Hello(1, 1)]
    ends.runner.channel.send(Acked(7, []))
    assert (await ends.frame())[0][1] == 7
    ends.runner.channel.resume()
    await ends.runner.until(heard=3)
    assert ends.runner.heard == [Hello(1, 1), Hello(2, 2), Hello(3, 3)]
    await ends.close()


async def test_a_channel_may_end_while_nobody_listens(loop: asyncio.Runner):
    ends = await wire()
    ends.runner.channel.pause()
    await ends.close()
    ends.runner.channel.resume()
    ends.runner.channel.pause()


# -- an end that does not read -----------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_is_told_more_than_it_reads_makes_the_link_full_until_it_has_read(factory, monkeypatch):
    monkeypatch.setattr(channel, "UNREAD_BYTES", 1_000_000)
    told: list[bool] = []

    async def story() -> None:
        wire = Wire()
        end: Channel[Any] = Channel(frames.ToRunner, print, print, on_full=lambda: told.append(end.full))
        await connect(end, wire._ours)
        for _ in range(5):
            end.send(Reply(1, bytes(100_000)))
            end.flush()
        assert not told
        while not told:
            end.send(Reply(1, bytes(100_000)))
            end.flush()
        end.send(Reply(1, bytes(100_000)))  # who says it all the same is heard all the same
        end.flush()
        left = 0
        while len(told) < 2:
            left += len(await wire.receive(100_000))
        assert left > 500_000
        end.close()
        wire.peer.close()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(story())
    assert told == [True, False]


def test_a_link_that_is_over_is_not_full(monkeypatch):
    monkeypatch.setattr(channel, "UNREAD_BYTES", 1_000_000)

    async def story() -> None:
        wire = Wire()
        await wire.connect()
        end = wire.runner.channel
        end.send(Reply(1, bytes(5_000_000)))
        end.flush()
        full = [end.full]
        wire.peer.close()
        await wire.runner.until(closed=1)
        assert [*full, end.full] == [True, False]

    asyncio.run(story())
