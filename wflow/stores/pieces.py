"""The pieces of steps' streams as cells of a store: a space an instance, a key a piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.errors import StoreError
from wflow.stores.store import Cell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wflow.engine.stream import Reference
    from wflow.stores.store import Store

BETWEEN: Final = "\x1f"
"""Parts a key. No step's name has it, as it may have a slash: so no step's keys begin like another's."""
_BEYOND: Final = "\x20"
_SPACES: Final = "stream:"


def space(instance: int) -> str:
    """Name the space of the instance with a key; it goes with the instance."""
    return f"{_SPACES}{instance}"


def is_space(name: str) -> bool:
    """Tell whether a space is one of pieces."""
    return name.startswith(_SPACES)


def key(step: str, token: str, number: int) -> str:
    """Name a piece by the key of its step, the token of its stream, and its number from 0 on."""
    return f"{step}{BETWEEN}{token}{BETWEEN}{number:08}"


def step_of(key: str) -> str:
    """Give the key of the step whose piece it is."""
    return stream_of(key)[0]


def stream_of(key: str) -> tuple[str, str]:
    """Give the step and the token of the stream whose piece it is."""
    step, token, _ = key.split(BETWEEN)
    return step, token


def span(step: str) -> tuple[str, str]:
    """Give the bounds of all keys of a step: they are at least the first and less than the second."""
    return step + BETWEEN, step + _BEYOND


def cell(instance: int, key: str, piece: bytes) -> Cell:
    """Make the cell of a piece; its ``meta`` tells the size, for `size`, where the value is not read."""
    return Cell(space=space(instance), key=key, value=piece, meta=str(len(piece)).encode())


def size(cell: Cell) -> int:
    """Tell how many bytes a piece has."""
    return int(cell.meta)


async def get(store: Store, instance: int, key: str, *, now: int) -> bytes:
    """Read a piece.

    Raises StoreError when it is gone: the instance may have been deleted or restarted meanwhile.
    """
    found = (await store.read(space(instance), [key], now=now)).get(key)
    if found is None:
        raise StoreError(f"a piece of the stream of step {step_of(key)!r} is gone")
    return found.value


async def read(store: Store, instance: int, stream: Reference, *, now: int) -> AsyncIterator[bytes]:
    """Read a stream piece by piece; whoever asks knows that it is of this instance. Raises as `get` does."""
    for number in range(stream.pieces):
        yield await get(store, instance, key(stream.step, stream.token, number), now=now)
