"""What a handler raised, as whoever writes it wants to see it: the traceback with the lines around."""

from __future__ import annotations

import msgspec

from wflow.engine.outcome import Failure


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A line of a traceback. ``own`` says that it is the project's; ``lines`` are those around it."""

    file: str
    line: int
    function: str
    own: bool
    lines: list[tuple[int, str]]


class Mishap(msgspec.Struct, frozen=True, array_like=True):
    """An exception: where it came from (the last place raised it), a hint, and itself as others raise it."""

    places: list[Place]
    hint: str | None
    failure: Failure

    @property
    def name(self) -> str:
        """Its class."""
        return self.failure.name

    @property
    def message(self) -> str:
        """What it says."""
        return self.failure.message


def encode(mishap: Mishap) -> bytes:
    """Encode it."""
    return msgspec.msgpack.encode(mishap)


def decode(raw: bytes) -> Mishap | None:
    """Decode it; None for what makes no sense: user code shares its process with the link."""
    try:
        return msgspec.msgpack.decode(raw, type=Mishap)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
