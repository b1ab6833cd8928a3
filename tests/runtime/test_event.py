"""The events that workflow code sees."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wflow.engine import values
from wflow.engine.facts import Received
from wflow.link.frames import Turn
from wflow.runtime.event import arrived, opening

SPEC = Turn(1, 1, "my-flow", "order-1", 1_790_000_000_123, values.encode({"url": "x"}), 0, None, [])
MOMENT = datetime.fromtimestamp(1_790_000_000.123, UTC)


def test_the_opening_event_is_what_the_instance_was_created_with():
    event = opening(SPEC)
    assert (event.payload, event.instance_id, event.workflow_name) == ({"url": "x"}, "order-1", "my-flow")
    assert event.timestamp == MOMENT
    assert event["instanceId"] == event["instance_id"]


def test_each_replay_has_a_payload_of_its_own():
    first, second = opening(SPEC), opening(SPEC)
    first.payload["url"] = "changed"
    assert second.payload == {"url": "x"}


def test_an_event_that_arrived_has_its_payload_type_and_the_time_it_was_sent():
    event = arrived(Received(5, "paid", values.encode([1]), 1_790_000_000_123, 1_790_000_009_999))
    assert (event.payload, event.type, event.timestamp) == ([1], "paid", MOMENT)


def test_an_event_is_read_only():
    with pytest.raises(TypeError, match="read-only"):
        setattr(opening(SPEC), "payload", {})  # noqa: B010 - it has no such attribute to a type checker
