"""A subscription to an instance's events: what user code iterates over, and the provider behind it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from wflow.bindings import happenings
from wflow.bindings.happenings import Mark, Reader
from wflow.engine.happenings import event
from wflow.errors import InstanceNotFound, InvalidInput
from wflow.wire.view import View

if TYPE_CHECKING:
    from types import TracebackType

    from wflow.bindings.binding import Called, Send
    from wflow.bindings.control import Control
    from wflow.engine.happenings import Happening

METHODS: Final = frozenset({"subscribe", "happenings"})
"""What `serve` answers. In `run` they make no sense: on a replay the events would be others."""
BREATH_S: Final = 0.05
"""A busy store is looked at so often."""
STOPPING_S: Final = 1.0
"""How long a call waits when the runner stops: its runtime is about to end."""


class Subscription:
    """The events of an instance, each once: those that are stored, then new ones as they happen.

    ``async for event in subscription``, or Cloudflare's ``await subscription.next()``. It ends after
    `workflow_completed`, `workflow_errored` or `workflow_terminated`, whether these are in the filter or not.
    """

    def __init__(self, send: Send, id: str, mark: bytes) -> None:
        """Read on from ``mark``, which the provider gave."""
        self.id = id
        self._send = send
        self._mark: bytes | None = mark
        self._events: deque[View] = deque()
        self._turn = asyncio.Lock()

    async def next(self) -> View:
        """Wait for the next event: ``value`` is it, and ``done`` False; or None and True when there is none.

        Raises InstanceNotFound when the instance is deleted; then it is done.
        """
        async with self._turn:
            while not self._events and self._mark is not None:
                await self._read(self._mark)
            found = self._events.popleft() if self._events else None
            return View(value=found, done=found is None)

    async def close(self) -> None:
        """Be done, now; there is nothing to let go of in the runner."""
        self._events.clear()
        self._mark = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> View:
        found = await self.next()
        if found.done:
            raise StopAsyncIteration
        event: View = found.value
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        """Show the instance's id."""
        return f"<Subscription to {self.id}>"

    async def _read(self, mark: bytes) -> None:
        try:
            page: Any = await self._send("happenings", [self.id, mark])
        except InstanceNotFound:
            self._mark = None
            raise
        if self._mark is not None:  # it may have been closed meanwhile
            self._mark = None if page["over"] else page["mark"]
            self._events.extend(map(_viewed, page["events"]))


async def subscribe(
    send: Send,
    id: str,
    options: Mapping[str, object] | None = None,
    *,
    cursor: int | None = None,
    filter: Collection[str] | None = None,
) -> Subscription:
    """Subscribe to the instance ``id``; what it raises is InstanceNotFound or InvalidInput.

    ``cursor`` is the `eventId` of the last event that is known already. ``filter`` are types of events, or
    groups of them. Takes these, or Cloudflare's one mapping of both.
    """
    if options is not None:
        if cursor is not None or filter is not None:
            raise InvalidInput("subscribe takes one mapping, or cursor= and filter=, not both")
        beyond, chosen = _read(options)
    else:
        beyond, chosen = cursor, filter
    if isinstance(chosen, (tuple, set, frozenset)):
        chosen = list(chosen)
    mark: Any = await send("subscribe", [id, beyond, chosen])
    return Subscription(send, id, mark)


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer what a subscription asks for the workflow ``target``; a page is waited for, 10 s at the most."""
    match call.method, call.arguments:
        case "subscribe", [str(id_), cursor, chosen]:
            instance = await control.get(target, id_)
            end = await control.store.position()
            return _encoder.encode(happenings.mark(instance, cursor, chosen, end=end))
        case "happenings", [str(id_), bytes(raw)]:
            reader = Reader(control, await control.get(target, id_), _decoded(raw))
            events = [event(each, reader.instance.id) for each in await _page(reader)]
            return {"events": events, "mark": _encoder.encode(reader.mark), "over": reader.over}
    raise InvalidInput(f"a subscription has no method {call.method!r} with {len(call.arguments)} arguments")


def _read(options: object) -> tuple[object, object]:
    if not isinstance(options, Mapping):
        raise InvalidInput(f"subscribe takes a mapping with cursor and filter, not {type(options).__name__}")
    if unknown := set(options) - {"cursor", "filter"}:
        wrong = min(map(str, unknown))
        raise InvalidInput(f"subscribe has no option {wrong!r}; it takes cursor and filter")
    return options.get("cursor"), options.get("filter")


async def _page(reader: Reader) -> list[Happening]:
    """Wait for the next events; none after a while, so that who waits can look for its peer."""
    async with aclosing(happenings.follow(reader, lambda: BREATH_S)) as pages:
        async for page in pages:
            return page
    if not reader.over:
        await asyncio.sleep(STOPPING_S)
    return []


def _decoded(raw: bytes) -> Mark:
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        raise InvalidInput("a subscription goes on from what the runner gave it, and nothing else") from None


def _viewed(event: dict[str, Any]) -> View:
    return View({name: View(item) if name in {"error", "config"} else item for name, item in event.items()})


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Mark)
