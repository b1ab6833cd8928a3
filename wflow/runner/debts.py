"""Events that are on disk, and that runtimes are told of later because they do not listen now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.errors import StoreError
from wflow.link import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from wflow.runner.peer import Peer
    from wflow.stores.store import Store

_BEYOND: Final = 2**62
"""No journal has a record beyond this."""


class Debts:
    """Of which instances each runtime is to be told; what of them, the store knows."""

    def __init__(
        self,
        store: Store,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        tell: Callable[[str, str], None],
    ) -> None:
        """Read events from ``store`` in tasks that ``spawn`` makes; ``tell`` logs a line."""
        self._store = store
        self._spawn = spawn
        self._tell = tell
        self._owed: dict[Peer, set[int]] = {}

    def owe(self, peer: Peer, instance: int) -> None:
        """Tell a runtime of the events of an instance that it holds as soon as it listens."""
        if peer not in self._owed:
            self._owed[peer] = set()
            self._spawn(self._pay(peer))
        self._owed[peer].add(instance)

    def owes(self, peer: Peer) -> bool:
        """Tell whether a runtime is owed anything: what comes now must not go before that."""
        return peer in self._owed

    async def _pay(self, peer: Peer) -> None:
        """Deliver what waits on disk; events that the runtime knows by then do no harm."""
        try:
            while owed := self._owed[peer]:
                await peer.listening()
                instance = owed.pop()
                if instance in peer.holds:
                    past = (await self._store.load({instance: _BEYOND}))[instance]
                    for event in past.events:
                        peer.send(frames.Deliver(instance, event))
        except StoreError as broken:
            # It would wait for these for ever.
            self._tell("error", f"{broken.message}; the runtime is started again")
            peer.kill()
        finally:
            del self._owed[peer]
