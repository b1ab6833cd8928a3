"""A queue that code sends to: messages that another Worker, or this one, gets in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import names, values
from wflow.errors import InvalidInput, TooLarge
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wflow.bindings.binding import Called, Send
    from wflow.bindings.control import Control

MESSAGE_BYTES: Final = 128 * 1_000
"""What one message may have; Cloudflare's limit."""
BATCH: Final = 100
"""Messages of one `send_batch`."""
BATCH_BYTES: Final = 256 * 1_000
"""What they may have together."""
DELAY_S: Final = 24 * 60 * 60
"""The longest delay of a message."""
CONTENT_TYPES: Final = ("json", "text", "bytes", "v8")
OPTIONS: Final = {
    "contentType": "content_type",
    "content_type": "content_type",
    "delaySeconds": "delay_seconds",
    "delay_seconds": "delay_seconds",
}
"""The options by the names that they go by."""


class Queue:
    """What `env` holds for a producer; it raises InvalidInput, TooLarge or TooMany with the limit."""

    def __init__(self, send: Send) -> None:
        """Call the provider by ``send``."""
        self._send = send

    async def send(self, body: object, options: Any = None, **named: object) -> View:
        """Send one message; it is on disk when this returns. In a step: once the step has ended well.

        ``content_type`` says how the body travels: json (the default), text, bytes, or v8 for whatever a
        step's result may be. ``delay_seconds`` (up to 24 hours) takes the place of the queue's own delay.
        """
        given = _options(options, named)
        kind = given.get("content_type") or "json"
        raw = written(kind, body)
        return _told(await self._send("send", [[[kind, raw, seconds(given.get("delay_seconds"))]]]))

    async def send_batch(self, messages: Iterable[Any], options: Any = None, **named: object) -> View:
        """Send up to 100 messages, all or none: dicts with `body`, and `content_type` and `delay_seconds`."""
        delay = seconds(_options(options, named).get("delay_seconds"))
        given: list[tuple[str, bytes, int | None]] = []
        for each in messages:
            fields = _fields(each)
            own = _options({key: value for key, value in fields.items() if key != "body"}, {})
            kind = own.get("content_type") or "json"
            later = seconds(own.get("delay_seconds"))
            given.append((kind, written(kind, fields["body"]), delay if later is None else later))
        check_batch([len(raw) for _, raw, _ in given])
        return _told(await self._send("send", [given]))

    async def metrics(self) -> View:
        """Tell the backlog: ``backlogCount``, ``backlogBytes``, ``oldestMessageTimestamp`` (ms), if any."""
        found: Any = await self._send("metrics", [])
        return View(found)

    sendBatch = send_batch  # noqa: N815 - Cloudflare's spelling


stub = Queue


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the queue that ``target`` names, which may say as well how long its messages wait."""
    from wflow.bindings import _queue_served  # which knows of stores, as a runtime does not

    return await _queue_served.serve(control, target, call)


def written(kind: object, body: object) -> bytes:
    """Encode a body as its content type says; raises InvalidInput, TooLarge and UnserializableError."""
    match kind:
        case "text" if isinstance(body, str):
            raw = body.encode()
        case "bytes" if isinstance(body, bytes | bytearray | memoryview):
            raw = bytes(body)
        case "json":
            raw = _json(body)
        case "v8":
            raw = values.encode(body)
        case "text" | "bytes":
            raise InvalidInput(f"a message of type {kind} cannot be {type(body).__name__}")
        case _:
            allowed = ", ".join(CONTENT_TYPES)
            raise InvalidInput(f"a content type is one of {allowed}, not {names.shown(kind)}")
    check_size(len(raw))
    return raw


def read(kind: str, raw: bytes) -> object:
    """Decode a body."""
    match kind:
        case "text":
            return raw.decode(errors="replace")
        case "json":
            return msgspec.json.decode(raw)
        case "v8":
            return values.decode(raw)
    return raw


def check_batch(sizes: Sequence[int]) -> None:
    """Refuse a batch that is empty, of too many messages or of too many bytes."""
    if not 1 <= len(sizes) <= BATCH:
        raise InvalidInput(f"a batch has 1 to {BATCH} messages, not {len(sizes)}")
    if len(sizes) > 1 and sum(sizes) > BATCH_BYTES:
        raise TooLarge(f"a batch of {sum(sizes):,} bytes exceeds the limit of {BATCH_BYTES:,}")


def delay_of(options: Any, named: Mapping[str, object], delay_seconds: object) -> int | None:
    """Read the delay of a retry, however it is given; raises InvalidInput."""
    given = _options(options, named)
    return seconds(given.get("delay_seconds") if delay_seconds is None else delay_seconds)


def _told(answer: Any) -> View:
    return View(metadata=View(metrics=View(answer["metadata"]["metrics"])))


def _options(options: Any, named: Mapping[str, object]) -> dict[str, Any]:
    """Read options given as a dict, or by name, in either spelling."""
    given = {**_mapping(options), **named}
    for name in given:
        if name not in OPTIONS:
            raise InvalidInput(f"there is no option {name!r}; there are contentType and delaySeconds")
    return {OPTIONS[name]: value for name, value in given.items()}


def _fields(given: Any) -> dict[str, Any]:
    fields = _mapping(given)
    if "body" not in fields:
        raise InvalidInput("each message of a batch is a dict with a `body`")
    return fields


def _mapping(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, dict):
        return {str(name): value for name, value in given.items()}
    raise InvalidInput(f"options are a dict, not {type(given).__name__}")


def seconds(given: object) -> int | None:
    """Read a delay; raises InvalidInput."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= DELAY_S:
        raise InvalidInput(f"a delay is 0 to {DELAY_S} seconds, not {names.shown(given)}")
    return int(given)


def _json(body: object) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError, OverflowError) as wrong:
        hint = "give plain values, or send it with content_type='v8'"
        raise InvalidInput(
            f"a message of type json cannot be {type(body).__name__}: {wrong}", hint=hint
        ) from None


def check_size(size: int) -> None:
    """Refuse a message that is too large."""
    if size > MESSAGE_BYTES:
        raise TooLarge(f"message length of {size} bytes exceeds limit of {MESSAGE_BYTES}")
