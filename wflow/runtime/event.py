"""The event that starts an instance, as `run` gets it; and the events that `wait_for_event` gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic

from wflow.engine import typed, values
from wflow.errors import MismatchError
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import Awaitable

    # Type checkers know it without its being installed: a bare `Event` is an `Event[Any]`.
    from typing_extensions import TypeVar

    from wflow.engine.facts import Received
    from wflow.link.frames import Turn

    Payload = TypeVar("Payload", default=Any)
else:
    from typing import TypeVar

    Payload = TypeVar("Payload")


class Event(View, Generic[Payload]):
    """Read-only: `payload` and `timestamp`, with `instance_id` and `workflow_name`, or with `type`.

    Of an instance that a schedule created, `schedule` has the `cron` and the `scheduled_time` in
    milliseconds since 1970.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        payload: Payload
        timestamp: datetime
        instance_id: str
        workflow_name: str
        type: str
        schedule: View


def opening(turn: Turn, payload: object = None) -> Event:
    """Make the event an instance was created with; the same on every replay.

    Raises MismatchError when what it was created with does not fit the type ``payload``; anything fits None.
    """
    said: dict[str, object] = {
        "payload": _fitted(values.decode(turn.params), payload, "event.payload", "the payload"),
        "timestamp": _moment(turn.created_at),
        "instanceId": turn.id,
        "workflowName": turn.workflow,
    }
    if " " in turn.id:  # no other id has one
        said["schedule"] = _schedule(turn.id)
    return Event(said)


def arrived(event: Received) -> Event:
    """Make what a wait gives."""
    return Event(payload=values.decode(event.payload), timestamp=_moment(event.sent_at), type=event.type)


def fitted(event: Event, payload: object, step: str) -> Event:
    """Turn the payload of what the wait ``step`` gives into the type ``payload``, or raise MismatchError."""
    if payload is None:
        return event
    who = f"step {step!r}: the payload of the event {event.type!r}"
    return Event({**event, "payload": _fitted(event.payload, payload, "payload", who)})


async def awaited(wait: Awaitable[Event], payload: object, step: str) -> Event:
    """Await what the wait ``step`` gives, and turn its payload into the type ``payload``; see `fitted`."""
    return fitted(await wait, payload, step)


def _schedule(id_: str) -> View | None:
    from wflow.wire import crons

    found = crons.told(id_)
    return None if found is None else View(cron=found[0], scheduledTime=found[1])


def _fitted(payload: object, wanted: object, root: str, who: str) -> object:
    if wanted is None:
        return payload
    try:
        return typed.restore(payload, wanted, root=root)
    except MismatchError as wrong:
        raise MismatchError(f"{who} does not fit {typed.text(wanted)}: {wrong}") from wrong.__cause__


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
