"""What becomes of an instance, beside the facts that tell why: it rests, is over, is held, is undone."""

from __future__ import annotations

import msgspec

from wflow.engine.outcome import Failure, RolledBack

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
    rollback: RolledBack | None = None


class Held(msgspec.Struct, frozen=True, gc=False, array_like=True, tag_field="change", tag=3):
    """The engine pauses the instance: its code diverged from its journal."""

    instance: int
    at: int
    failure: Failure


class Rolling(msgspec.Struct, frozen=True, gc=False, array_like=True, tag_field="change", tag=4):
    """The instance undoes its steps; the claim goes on. ``failure`` is what it will end with, if any."""

    instance: int
    at: int
    failure: Failure | None = None


class Told(msgspec.Struct, frozen=True, gc=False, array_like=True, tag_field="change", tag=5):
    """What the code wants shown of the instance; the claim goes on. None leaves what is there.

    ``shown`` is an encoded value: a dict with ``progress`` and ``state``. ``tags`` are all that it has from
    now on.
    """

    instance: int
    at: int
    shown: bytes | None = None
    tags: list[str] | None = None


Change = Rested | Ended | Held | Rolling | Told
