"""What may be asked of a runner's instances, whoever asks: a binding, or the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.stores.store import Instance, Store
    from wflow.wire.types import Made, Wanted


class Control(Protocol):
    """The operations on instances; each is durable when it returns, or raises a Refused that says why not."""

    @property
    def store(self) -> Store:
        """Where everything is kept; read it freely, write only cells of your own space."""
        ...

    def now(self) -> int:
        """Tell the time, in milliseconds since 1970."""
        ...

    async def create(self, workflow: str, wanted: Sequence[Wanted], *, trigger: str) -> list[Made]:
        """Create instances of a workflow.

        Raises WorkflowNotFound, InvalidInput for an id that breaks the rule, TooLarge, TooMany for a full
        queue.
        """
        ...

    async def get(self, workflow: str, id_: str) -> Instance:
        """Get an instance; raises WorkflowNotFound or InstanceNotFound."""
        ...

    async def send_event(self, workflow: str, id_: str, type_: str, payload: bytes) -> None:
        """Send an event; raises what `get` raises, InvalidInput, TooLarge, TooMany and InstanceEnded."""
        ...

    async def steer(self, workflow: str, id_: str, verb: str) -> Instance:
        """Terminate an instance (``verb`` is one of `wflow.engine.status.MOVES`), or raise InstanceEnded."""
        ...
