"""What a step does to others is held until it is known how it ended, and then kept with that, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wflow.stores.kept import Absent, Cell, Message, New


class Held(Protocol):
    """What one attempt of a step has done so far, which nobody else sees yet.

    It is written in the transaction of the step's outcome, if that is good, and forgotten else. A provider
    that reads shows the step what is held over what is on disk.
    """

    @property
    def key(self) -> str:
        """The step's idempotency key."""
        ...

    def number(self, of: str = "") -> int:
        """Count: give 1, 2, ... in the order in which the attempt asks, for each ``of`` by itself."""
        ...

    def cell(self, space: str, key: str) -> Cell | Absent | None:
        """Give what is held of a cell; None says that what is on disk holds."""
        ...

    def cells(self, space: str) -> Mapping[str, Cell | Absent]:
        """Give what is held of a space, by key."""
        ...

    def write(self, changes: Sequence[Cell | Absent]) -> None:
        """Hold changes of cells, all or none; raises TooLarge and TooMany over the limits, InvalidInput late.

        It is late when a later attempt of the step has begun to do something.
        """
        ...

    def send(self, messages: Sequence[Message]) -> None:
        """Hold messages for queues; raises as `write` does."""
        ...

    def create(self, new: Sequence[New], there: Sequence[New] = ()) -> None:
        """Hold instances that are to be created, but those that are ``there``; raises as `write` does."""
        ...

    def made(self, workflow: str, id_: str) -> bool:
        """Tell whether the attempt has created an instance, held or published."""
        ...

    async def publish(self, workflow: str, id_: str) -> None:
        """Create an instance that is held now, since the step asks about it; nothing if it is not held."""
        ...
