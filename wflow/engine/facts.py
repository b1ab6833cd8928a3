"""The journal: few and generic facts, so that a new step kind needs no new one.

A fact is kept as msgpack, as an array that starts with its tag; the order of fields is the format, so fields
are only ever added at the end, with a default. ``at`` is milliseconds since 1970 everywhere.
"""

from __future__ import annotations

from typing import Final

import msgspec

from wflow.engine.outcome import Failure, Outcome


class Opened(msgspec.Struct, frozen=True, gc=False, tag=1, tag_field="fact", array_like=True):
    """The code asked for a step that will take a while; ``detail`` is what the kind wants shown of it.

    ``order`` counts the steps that the code asked for, from 1 on; 0 in older journals. ``site`` is where
    it did, as `wflow.engine.divergence` has it; empty in older journals.
    """

    key: str
    kind: str
    at: int
    digest: bytes = b""
    detail: dict[str, object] = {}
    order: int = 0
    site: str = ""


class Tried(msgspec.Struct, frozen=True, gc=False, tag=2, tag_field="fact", array_like=True):
    """An attempt began (the first is 1)."""

    key: str
    attempt: int
    at: int


class Failed(msgspec.Struct, frozen=True, gc=False, tag=3, tag_field="fact", array_like=True):
    """An attempt failed; ``retry_at`` is when the next may begin, None when there is none."""

    key: str
    attempt: int
    began_at: int
    at: int
    failure: Failure
    retry_at: int | None = None


class Settled(msgspec.Struct, frozen=True, gc=False, tag=4, tag_field="fact", array_like=True):
    """The step is over. It tells all of a step that succeeded at once, so that such a step is one row.

    ``event`` names the Received fact whose event the step consumed; ``order`` and ``site`` are as Opened has
    them, but that ``site`` is told once: it is empty when there is an Opened. A ``kind`` of its own, `PATCH`,
    says that the code took a way that is new (`ctx.patched`); that is no step, and nobody hears of it.
    """

    key: str
    kind: str
    at: int
    outcome: Outcome
    digest: bytes = b""
    opened_at: int = 0
    attempt: int = 0
    began_at: int = 0
    event: int | None = None
    detail: dict[str, object] = {}
    order: int = 0
    site: str = ""


class Received(msgspec.Struct, frozen=True, gc=False, tag=5, tag_field="fact", array_like=True):
    """An event entered the instance; ``payload`` is an encoded value, ``sent_at`` when it was accepted.

    ``order`` is, of a request, how many steps the code had asked for when it came in.
    """

    event: int
    type: str
    payload: bytes
    sent_at: int
    at: int
    order: int = 0


class Moved(msgspec.Struct, frozen=True, gc=False, tag=6, tag_field="fact", array_like=True):
    """The instance's status changed; the last one carries the output or the failure."""

    status: str
    at: int
    output: bytes | None = None
    failure: Failure | None = None
    detail: dict[str, object] = {}


class Logged(msgspec.Struct, frozen=True, gc=False, tag=7, tag_field="fact", array_like=True):
    """A log line, of workflow code (then ``step`` is empty) or of anything else that wants to be tailed.

    ``detail`` holds the structured values; ``source`` says where the line came from: workflow, step, request,
    worker. ``order`` is how many steps workflow code had asked for when it said it.
    """

    level: str
    message: str
    at: int
    detail: dict[str, object] = {}
    step: str = ""
    source: str = "workflow"
    order: int = 0


PATCH: Final = "patch"
"""The kind of a Settled that is no step: its key is `patched:` and the id of what was changed."""

Fact = Opened | Tried | Failed | Settled | Received | Moved | Logged

OPENED: Final = 1
TRIED: Final = 2
FAILED: Final = 3
SETTLED: Final = 4
RECEIVED: Final = 5
MOVED: Final = 6
LOGGED: Final = 7

encoder: Final = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Fact] = msgspec.msgpack.Decoder(Fact)


def encode(fact: Fact) -> bytes:
    """Turn a fact into bytes; text that is no Unicode is made readable, since a fact must never be lost."""
    try:
        return encoder.encode(fact)
    except UnicodeEncodeError:
        return encoder.encode(readable(fact))


def readable(thing: object) -> object:
    """Turn a struct into plain values of the same encoding, with a `?` for each lone surrogate in its texts.

    Such text comes from file names that are no Unicode, by way of an error's message, say.
    """
    return _scrubbed(msgspec.to_builtins(thing, builtin_types=(bytes,)))


decode: Final = _decoder.decode
"""Reads one fact; raises msgspec.DecodeError when it is none."""


def tag(fact: Fact) -> int:
    """Say which fact it is as the number that the journal's column ``tag`` keeps."""
    return TAGS[type(fact)]


TAGS: Final = {
    Opened: OPENED,
    Tried: TRIED,
    Failed: FAILED,
    Settled: SETTLED,
    Received: RECEIVED,
    Moved: MOVED,
    Logged: LOGGED,
}
"""What `tag` tells, by type; for who writes many."""


def _scrubbed(plain: object) -> object:
    match plain:
        case str():
            return plain.encode(errors="replace").decode()
        case list() | tuple():
            return [_scrubbed(item) for item in plain]
        case dict():
            return {_scrubbed(key): _scrubbed(item) for key, item in plain.items()}
    return plain
