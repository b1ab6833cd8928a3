"""Facts as objects with named fields. What is read and refused is in test_history.py as well."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.wire.test_history import FACT, FAILURES, VALUE
from wflow.engine import values
from wflow.engine.facts import Fact, Received, Settled
from wflow.engine.outcome import Err, Failure, Ok
from wflow.wire import portable
from wflow.wire.strict import HistoryError


@given(FACT)
def test_a_fact_comes_back(fact: Fact) -> None:
    assert portable.read_fact(portable.fact(fact), "fact") == fact


@given(FAILURES)
def test_a_failure_comes_back(failure: Failure) -> None:
    assert portable.read_failure(portable.failure(failure), "error") == failure


@given(VALUE)
def test_a_value_comes_back_byte_for_byte(raw: bytes) -> None:
    assert portable.read_value(portable.value("output", raw), "output", "") == raw


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\xff\xff", b"\x81", b"\xd4\x00\x00", b"\xd4\x05x"])
def test_bytes_that_are_no_value_are_written_and_refused_with_the_place(raw: bytes) -> None:
    written = portable.value("output", raw)
    assert portable.read_bytes(written, "output", "f") == raw
    if raw != b"\xff\xff":
        with pytest.raises(HistoryError, match=r"f\.output:base64: these bytes are no value"):
            portable.read_value(written, "output", "f")


def test_an_event_of_a_child_that_is_none_is_a_payload() -> None:
    event = Received(1, ".child-1", values.encode({"not": "an outcome"}), 1, 1)
    assert portable.child(event) is None
    assert portable.received(event)["payload"] == {"not": "an outcome"}
    assert portable.child(Received(1, ".child-1", values.encode(b"\x91\x07"), 1, 1)) is None


def test_what_a_child_ended_with_is_said_as_an_outcome() -> None:
    for outcome in (Ok(values.encode(5), 3), Err(Failure("E", "m"))):
        event = Received(1, ".child-1", portable.as_payload(outcome), 1, 1)
        assert portable.child(event) == outcome
        assert "payload" not in portable.received(event)
        assert portable.read_received(portable.received(event), "") == event


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"payload": 5, "value": 5}, "f.value: there is a `payload` as well"),
        ({"payload": 5, "error": {}}, "f.error: there is a `payload` as well"),
        ({}, "f.payload: this field is missing"),
        ({"error": 5}, "f.error: an object is expected, not"),
        ({"value": 5, "beside": -1}, "f.beside: a whole number from 0 on"),
        ({"payload": 5, "order": None}, "f.order: a whole number"),
        ({"payload:base64": 5}, "f.payload:base64: a text is expected"),
        ({"error": {"name": "E", "message": "", "retryable": 1}}, "f.error.retryable: true or false"),
        ({"error": {"name": "E", "message": "", "notes": [1]}}, "f.error.notes[0]: a text"),
        ({"error": {"name": "E", "message": "", "notes": 1}}, "f.error.notes: an array"),
        ({"error": {"name": "E", "message": "", "group": [5]}}, "f.error.group[0]: an object"),
    ],
)
def test_an_event_that_is_none_is_refused_with_the_place(fields: dict[str, Any], said: str) -> None:
    given = {"event": 1, "type": "go", "sent_at": 1, "at": 1, **fields}
    with pytest.raises(HistoryError) as refused:
        portable.read_received(given, "f")
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"detail": 5}, "f.detail: an object"),
        ({"detail": {}, "detail:base64": "gA=="}, "f.detail:base64: `detail` is there"),
        ({"detail:base64": "kA=="}, "f.detail:base64: these bytes are no object"),
        ({"detail": {"a": 2**65}}, "f.detail: this cannot be kept"),
        ({"event": "5"}, "f.event: a whole number"),
    ],
)
def test_a_step_whose_details_are_none_is_refused(fields: dict[str, Any], said: str) -> None:
    given = {**portable.fact(Settled("a-1", "do", 1, Ok())), **fields}
    with pytest.raises(HistoryError) as refused:
        portable.read_fact(given, "f")
    assert said in refused.value.message
