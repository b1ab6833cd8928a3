"""The event that starts an instance, as `run` gets it; and the events that `wait_for_event` gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wflow.engine import values
from wflow.wire.view import View

if TYPE_CHECKING:
    from wflow.engine.facts import Received
    from wflow.link.frames import Turn


class Event(View):
    """Read-only: `payload` and `timestamp`, with `instance_id` and `workflow_name`, or with `type`."""

    __slots__ = ()


def opening(turn: Turn) -> Event:
    """Make the event an instance was created with; the same on every replay."""
    return Event(
        payload=values.decode(turn.params),
        timestamp=_moment(turn.created_at),
        instanceId=turn.id,
        workflowName=turn.workflow,
    )


def arrived(event: Received) -> Event:
    """Make what a wait gives."""
    return Event(payload=values.decode(event.payload), timestamp=_moment(event.sent_at), type=event.type)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
