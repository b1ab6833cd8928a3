"""What may be asked of a runner's instances, whoever asks: a binding, or the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.binding import Called
    from wflow.bindings.effects import Held
    from wflow.bindings.service import Services
    from wflow.databases import Databases
    from wflow.stores.store import Instance, Store
    from wflow.wire.types import Made, Start, Wanted


class Control(Protocol):
    """The operations on instances; each is durable when it returns, or raises a Refused that says why not."""

    @property
    def store(self) -> Store:
        """Where everything is kept; read it freely, write only cells of your own space."""
        ...

    @property
    def services(self) -> Services:
        """The Workers, for each other."""
        ...

    @property
    def databases(self) -> Databases:
        """The D1 databases."""
        ...

    def now(self) -> int:
        """Tell the time, in milliseconds since 1970."""
        ...

    def effects(self, call: Called) -> Held | None:
        """Give what the step that calls has done so far; None when no step does: then write at once."""
        ...

    async def create(
        self, workflow: str, wanted: Sequence[Wanted], *, trigger: str, held: Held | None = None
    ) -> list[Made]:
        """Create instances of a workflow; with ``held`` once the step that asks for them has ended well.

        Raises WorkflowNotFound, InvalidInput for an id, a tag or a retention that breaks its rule, TooLarge,
        TooMany for a full queue.
        """
        ...

    async def get(self, workflow: str, id_: str) -> Instance:
        """Get an instance; raises WorkflowNotFound or InstanceNotFound."""
        ...

    async def send_event(self, workflow: str, id_: str, type_: str, payload: bytes) -> None:
        """Send an event; raises what `get` raises, InvalidInput, TooLarge, TooMany and InstanceEnded."""
        ...

    async def steer(self, workflow: str, id_: str, verb: str) -> Instance:
        """Tell an instance to `pause`, `resume`, `cancel`, `terminate` or `rollBack` (which then terminates).

        `accept` is to `resume` one that is held because code and journal contradict each other: the recorded
        step that it is held for need not be asked for any more. Raises WrongMove for any other instance.

        Pausing and resuming change nothing where they do not apply. The others raise InstanceEnded when it is
        over, with Cloudflare's ``instance.cannot_terminate`` in the message. `cancel` and `rollBack` ask the
        code, and so end an instance some time later; one that has not begun they end at once.
        """
        ...

    async def restart(self, workflow: str, id_: str, start: Start | None = None) -> Instance:
        """Run an instance anew on its workflow's current version: from its beginning, or from a step.

        Raises WrongMove (``instance.cannot_restart``) when its history has no such step, or when it is
        rolling back.
        """
        ...

    async def delete(self, workflow: str, ids: Sequence[str]) -> set[str]:
        """Delete instances with all they have, running or not; give the ids of those that there were."""
        ...

    async def changed(self, after: int) -> int | None:
        """Wait until the store has records beyond the position ``after``; give its last position.

        Returns at once when it has, and after 10 s at the latest, so that who waits can look for its peer.
        None says that the runner stops: nobody should wait any longer.
        """
        ...
