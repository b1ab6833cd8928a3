"""The cells by which a store says what holds for all that is played on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wflow.stores.store import Store

SETTINGS: Final = "settings"
"""The space of these cells."""
HASH_SEED: Final = "hash-seed"
"""The cell that keeps the hash seed of the runtimes."""


async def hash_seed(store: Store, *, now: int) -> int:
    """Read the hash seed of all runtimes; 0 when nothing was ever played on the store."""
    kept = await store.read(SETTINGS, [HASH_SEED], now=now)
    return int(kept[HASH_SEED].value) if HASH_SEED in kept else 0
