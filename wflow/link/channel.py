"""One end of the link: messages in, messages out, many to a frame.

What is sent within one pass of the event loop leaves as one frame, so a busy runtime pays for a frame, not for a message.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from wflow.errors import LinkError
from wflow.link import frames

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_HEAD: Final = struct.Struct(">I")

In = TypeVar("In")


class Channel(asyncio.Protocol, Generic[In]):
    """One end of the link, on the running event loop.

    ``on_messages`` gets each frame's messages, ``on_closed`` is called once when the peer is gone or talks nonsense (then with
    a LinkError). Sending on a closed channel does nothing: the other end can die at any instant, and whoever cares hears of it
    by ``on_closed``.
    """

    def __init__(
        self,
        expects: Any,  # noqa: ANN401 - a union of message types has no type of its own
        on_messages: Callable[[list[In]], None],
        on_closed: Callable[[LinkError | None], None],
    ) -> None:
        """Make an end that understands ``expects``; `connect` puts it on a socket."""
        self._decoder: msgspec.msgpack.Decoder[list[In]] = msgspec.msgpack.Decoder(list[expects])
        self._encoder = msgspec.msgpack.Encoder()
        self._on_messages = on_messages
        self._on_closed = on_closed
        self._outbox: list[object] = []
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def closed(self) -> bool:
        """Whether nothing more can be said."""
        return self._transport is None

    def send(self, message: object) -> None:
        """Send a message with the next frame."""
        if not self._outbox:
            self._loop.call_soon(self.flush)
        self._outbox.append(message)

    def flush(self) -> None:
        """Send what waits, now."""
        if not self._outbox:
            return
        outbox, self._outbox = self._outbox, []
        if self._transport is None:
            return
        raw = self._encoder.encode(outbox)
        self._transport.writelines((_HEAD.pack(len(raw)), raw))

    def close(self) -> None:
        """Flush and hang up; ``on_closed`` is not called."""
        self.flush()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes in and hand out whole frames (asyncio calls this)."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEAD.size:
            (size,) = _HEAD.unpack_from(buffer, start)
            if size > frames.FRAME_BYTES:
                self._fail(f"a frame of {size:,} bytes; the limit is {frames.FRAME_BYTES:,}")
                return
            end = start + _HEAD.size + size
            if len(buffer) < end:
                break
            try:
                messages = self._decoder.decode(memoryview(buffer)[start + _HEAD.size : end].tobytes())
            except msgspec.MsgspecError as wrong:
                self._fail(f"a frame that makes no sense: {wrong}")
                return
            start = end
            self._on_messages(messages)
            if self._transport is None:
                return
        if start:
            del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the peer is gone (asyncio calls this)."""
        if self._transport is None:
            return
        self._transport = None
        self._on_closed(LinkError(f"the link broke: {exc}") if exc else None)

    def _fail(self, problem: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._on_closed(LinkError(f"the peer sent {problem}"))


async def connect(channel: Channel[In], sock: socket.socket) -> None:
    """Put ``channel`` on one end of a connected stream socket; the channel owns the socket from here on."""
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: channel, sock=sock)
