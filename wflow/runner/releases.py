"""Claims that end: who hears of it, and how they are given back in the middle of their work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from wflow.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.engine.facts import Received
    from wflow.runner.holds import Hold
    from wflow.stores.store import Claim, Store

RELEASE_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class Held(Protocol):
    """A claim, as far as it takes a slot."""

    @property
    def key(self) -> int:
        """The instance's."""
        ...

    @property
    def epoch(self) -> int:
        """Which claim of the instance it is."""
        ...

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        ...


class Releases(Protocol):
    """Who hears that slots are free and instances due: admission."""

    def freed(self, claim: Held) -> None:
        """Hear that a claim ended."""
        ...

    def due(self, workflow: str, at: int) -> None:
        """Hear that an instance wants to go on at an instant."""
        ...

    def wake(self, workflow: str) -> None:
        """Hear that an instance of a workflow may be ready."""
        ...

    def arrived(self, instance: int, event: Received) -> None:
        """Hear of an event for an instance that no runtime has."""
        ...

    def steered(self, instance: int, *, pausing: bool) -> None:
        """Hear that a claimed instance that no runtime has is to pause, or to go on after all."""
        ...

    def recalled(self, instance: int) -> None:
        """Hear that a claim is over that no runtime has."""
        ...


async def give_back(store: Store, claims: Sequence[Claim | Hold], at: int, *, died: bool = False) -> None:
    """End claims in the middle of their work, however long the store takes; they are due at ``at``.

    With ``died`` it was their holder's end, for which they may be the reason.
    """
    if not claims:
        return
    delays = iter(RELEASE_BACKOFF_S)
    while True:
        try:
            await store.release([(claim.key, claim.epoch) for claim in claims], now=at, died=died)
        except StoreError:
            await asyncio.sleep(next(delays, RELEASE_BACKOFF_S[-1]))
        else:
            return
