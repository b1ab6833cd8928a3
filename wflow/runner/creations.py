"""Instances that steps create: known by the step that does, so that each attempt of it means the same one."""

from __future__ import annotations

import asyncio
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.stores.settings import SETTINGS
from wflow.stores.store import Cell

if TYPE_CHECKING:
    from wflow.bindings.effects import Held
    from wflow.stores.store import Store
    from wflow.wire.types import Wanted

_SECRET: Final = "creations"  # noqa: S105 - the name of a cell
SEED_BYTES: Final = 24
"""What the chance of an instance comes from that a step creates; that of any other one has fewer bytes."""
_BYTES: Final = 16


def named(held: Held, wanted: Wanted) -> Wanted:
    """Give an instance without an id the one that its step has for it: by its key, and how many it is."""
    if wanted.id is not None:
        return wanted
    number = held.number("create")
    digest = blake2b(b"%d" % number, key=held.key.encode()[:64], person=b"wflow created", digest_size=_BYTES)
    return msgspec.structs.replace(wanted, id=digest.hexdigest())


def seed(secret: bytes, key: str, id_: str) -> bytes:
    """Give what the chance of an instance comes from that the step with a key creates: by it that is known.

    The ``secret`` keeps it from whoever is told the key, as servers are that the step sends requests to.
    """
    of = f"{key}:{id_}".encode()
    return blake2b(of, key=secret, person=b"wflow chance", digest_size=SEED_BYTES).digest()


async def keep(store: Store, secret: bytes) -> bytes:
    """Give the secret of a store; it is this one if it has none yet."""
    cell = (await store.read(SETTINGS, [_SECRET], now=0)).get(_SECRET)
    if cell is not None:
        return cell.value
    await store.write([Cell(space=SETTINGS, key=_SECRET, value=secret)])
    return secret


class Secret:
    """The secret of a store."""

    def __init__(self, store: Store) -> None:
        """Know nothing yet."""
        self._store = store
        self._known = b""
        self._reading = asyncio.Lock()

    async def get(self) -> bytes:
        """Give it; it is drawn when it is asked for first."""
        if not self._known:
            async with self._reading:
                self._known = await keep(self._store, secrets.token_bytes(_BYTES))
        return self._known
