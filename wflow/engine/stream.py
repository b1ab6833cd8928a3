"""A result too big for a value: its bytes are kept in pieces beside the step, its outcome says which."""

from __future__ import annotations

from typing import Final

import msgspec

from wflow.engine import names

PIECE_BYTES: Final = 256 * names.KIB
"""All pieces of a stream have this size but the last; Cloudflare's number."""
PIECES: Final = names.STATE_BYTES // PIECE_BYTES
"""Pieces of one stream."""
CHUNK_BYTES: Final = 16 * names.MIB
"""The most that a step's function may give at once; Cloudflare's number."""


class Reference(msgspec.Struct, frozen=True):
    """What is kept of a stream as the value of its step.

    ``instance`` and ``step`` are the keys of who keeps it, ``token`` tells it from what other attempts of the
    step have made, ``size`` is in bytes, ``digest`` the SHA-256 of them all, in hex.
    """

    instance: int
    step: str
    token: str
    size: int
    digest: str

    def __str__(self) -> str:
        return f"[stream of {self.size:,} bytes]"

    @property
    def pieces(self) -> int:
        """How many pieces it has."""
        return -(-self.size // PIECE_BYTES)


class Streamed:
    """What user code holds of a stream; how it is read is said by whoever runs that code."""

    __slots__ = ("reference",)

    def __init__(self, reference: Reference) -> None:
        """Hold what is kept of it."""
        self.reference = reference
