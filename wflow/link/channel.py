"""One end of the link: messages in, messages out, many to a frame.

What is sent within one pass of the event loop leaves as one frame, so a busy runtime pays for a frame, not
for a message.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import msgspec

from wflow.engine.facts import readable
from wflow.errors import LinkError
from wflow.link import frames

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_HEAD: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">IBI")
"""The length; msgpack's sign for a list whose size takes 32 bits; that size."""
_LIST: Final = 0xDD
_SPLIT_BYTES: Final = 64 * 1024 * 1024
"""What would make a frame longer than this begins the next one."""
_MESSAGE_BYTES: Final = frames.FRAME_BYTES - _FRAME.size
UNREAD_BYTES: Final = 64 * 1024 * 1024
"""What may wait for the other end to read it; with more, nothing should be said that can wait."""

In = TypeVar("In")


class Channel(asyncio.Protocol, Generic[In]):
    """One end of the link, on the running event loop.

    ``on_messages`` gets each frame's messages, ``on_closed`` is called once when the peer is gone or talks
    nonsense (then with a LinkError). Sending on a closed channel does nothing: the other end can die at any
    instant, and whoever cares hears of it by ``on_closed``. ``on_full`` hears when it begins to be full, and
    when that is over.
    """

    def __init__(
        self,
        expects: Any,  # a union of message types has no type of its own
        on_messages: Callable[[list[In]], None],
        on_closed: Callable[[LinkError | None], None],
        *,
        on_full: Callable[[], None] | None = None,
    ) -> None:
        """Make an end that understands ``expects``; `connect` puts it on a socket."""
        self._decoder: msgspec.msgpack.Decoder[list[In]] = msgspec.msgpack.Decoder(list[expects])
        self._encoder = msgspec.msgpack.Encoder()
        self._on_messages = on_messages
        self._on_closed = on_closed
        self._on_full = on_full
        self._outbox = bytearray(_FRAME.size)
        self._waiting = 0
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._pauses = 0
        self._over = False
        self._full = False
        self._loop = asyncio.get_running_loop()

    @property
    def closed(self) -> bool:
        """Whether nothing more can be said."""
        return self._over

    @property
    def full(self) -> bool:
        """Whether more than UNREAD_BYTES wait for the other end to read them."""
        return self._full and not self._over

    def send(self, message: object) -> None:
        """Send a message with the next frame, or with the first one once there is a connection.

        Raises LinkError when it is too long, and what msgspec raises for what is no message; the link stays.
        """
        if self._add(message) == 1:
            self._loop.call_soon(self.flush)

    def send_now(self, message: object) -> None:
        """Send a message, and what waits, at once; for what has been gathered already. Raises as `send`."""
        self._add(message)
        self.flush()

    def _add(self, message: object) -> int:
        """Put a message behind those that wait, and tell how many they are now."""
        if self._over:
            return 0
        start = len(self._outbox)
        try:
            self._encode(message, start)
        except BaseException:
            del self._outbox[start:]
            raise
        if len(self._outbox) > _SPLIT_BYTES and self._waiting:
            last = self._outbox[start:]
            del self._outbox[start:]
            self.flush()
            self._outbox += last
        self._waiting += 1
        return self._waiting

    def flush(self) -> None:
        """Send what waits, now."""
        if not self._waiting or self._transport is None:
            return
        outbox, self._outbox = self._outbox, bytearray(_FRAME.size)
        waiting, self._waiting = self._waiting, 0
        _FRAME.pack_into(outbox, 0, len(outbox) - _HEAD.size, _LIST, waiting)
        self._transport.write(outbox)

    def pause(self) -> None:
        """Read no more, so that the other end waits with what it has to say; as often as `resume` follows."""
        self._pauses += 1
        if self._pauses == 1 and self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, when every `pause` is over."""
        self._pauses -= 1
        if not self._pauses and self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Flush and hang up; ``on_closed`` is not called."""
        self.flush()
        transport = self._end()
        if transport is not None:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and send what waits for it (asyncio calls this)."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES)
        if self._over:
            self._end()
            self._loop.call_soon(transport.close)  # uvloop loses the socket when this is done here
        self.flush()

    def pause_writing(self) -> None:
        """Note that the other end does not read as fast as it is told things (asyncio calls this)."""
        self._tell_full(full=True)

    def resume_writing(self) -> None:
        """Note that it has read most of it (asyncio calls this)."""
        self._tell_full(full=False)

    def data_received(self, data: bytes) -> None:
        """Take bytes in and hand out whole frames (asyncio calls this)."""
        buffer: bytes | bytearray = data
        if self._buffer:
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
                messages = self._decoder.decode(memoryview(buffer)[start + _HEAD.size : end])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
                self._fail(f"a frame that makes no sense: {wrong}")
                return
            start = end
            self._on_messages(messages)
            if self._over:
                return
        if buffer is data:
            self._buffer += memoryview(data)[start:]
        elif start:
            del self._buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the peer is gone (asyncio calls this)."""
        if self._over:
            return
        self._end()
        self._on_closed(LinkError(f"the link broke: {exc}") if exc else None)

    def _encode(self, message: object, start: int) -> None:
        try:
            self._encoder.encode_into(message, self._outbox, start)
        except UnicodeEncodeError:
            # A lone surrogate in what user code printed, say: no reason to lose the message.
            self._encoder.encode_into(readable(message), self._outbox, start)
        size = len(self._outbox) - start
        if size > _MESSAGE_BYTES:
            raise LinkError(f"a message of {size:,} bytes; the limit is {_MESSAGE_BYTES:,}")

    def _tell_full(self, *, full: bool) -> None:
        self._full = full
        if self._on_full is not None:
            self._on_full()

    def _fail(self, problem: str) -> None:
        transport = self._end()
        if transport is not None:
            transport.abort()
        self._on_closed(LinkError(f"the peer sent {problem}"))

    def _end(self) -> asyncio.Transport | None:
        """Let go of everything; give the transport, if there is one still."""
        self._over = True
        self._outbox.clear()
        self._waiting = 0
        transport, self._transport = self._transport, None
        return transport


async def connect(channel: Channel[In], sock: socket.socket) -> None:
    """Put ``channel`` on one end of a connected stream socket; the channel owns the socket from here on."""
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: channel, sock=sock)
