"""What ends a claim, beside the facts that tell why: the instance rests, is over, or is held."""

from __future__ import annotations

import msgspec

from wflow.engine.outcome import Failure

Row = tuple[int, int, int, int, bytes]
"""One fact for the journal: instance, seq, tag, at, the encoded fact."""


class Rested(msgspec.Struct, frozen=True, gc=False, array_like=True, tag_field="change", tag=1):
    """Nothing can happen before ``wake_at``, or before an event of a type in ``awaits``."""

    instance: int
    at: int
    wake_at: int
    awaits: list[str]


class Ended(msgspec.Struct, frozen=True, gc=False, array_like=True, tag_field="change", tag=2):
    """The instance is over: ``status`` is an ended one, with an encoded output or a failure."""

    instance: int
    at: int
    status: str
    output: bytes | None = None
    failure: Failure | None = None


class Held(msgspec.Struct, frozen=True, gc=False, array_like=True, tag_field="change", tag=3):
    """The engine pauses the instance: its code diverged from its journal."""

    instance: int
    at: int
    failure: Failure


Change = Rested | Ended | Held
