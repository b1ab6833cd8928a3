"""Taking out of a history what is nobody's business."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from tests.wire.test_history import FACT, FAILURES, VALUE
from wflow.engine import facts, values
from wflow.engine.facts import Fact, Logged, Opened, Received, Settled
from wflow.engine.outcome import INTERRUPTED, Err, Failure, Ok
from wflow.engine.stream import Reference
from wflow.wire import portable
from wflow.wire.redaction import Redaction, Redactor

ALL = Redaction(everything=True)


def of(value: object, redaction: Redaction = ALL) -> Any:
    return values.decode(Redactor(redaction).value(values.encode(value)))


def keyed(*keys: str) -> Redaction:
    return Redaction(keys=frozenset(keys), sensitive=False)


def test_what_was_equal_stays_equal() -> None:
    found = of([{"id": "a", "n": 7}, {"id": "b", "n": 9}, {"id": "a", "n": 7}])
    assert found[0] == found[2] != found[1]
    assert found[0] == {"id": "redacted-1", "n": 1}


@pytest.mark.parametrize(
    "value",
    [
        "text",
        12,
        1.5,
        Decimal("9.9"),
        b"bytes",
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2),  # noqa: DTZ001 - as users have them
        date(2026, 1, 2),
        time(3, 4),
        timedelta(days=2),
        UUID(int=5),
    ],
)
def test_a_value_becomes_another_one_of_its_type(value: object) -> None:
    found = of([value])[0]
    assert type(found) is type(value)
    assert found != value


def test_what_is_empty_zero_or_below_zero_stays_so() -> None:
    assert of(["", 0, 0.0, b"", -5, -2.5, Decimal(-7)]) == ["", 0, 0.0, b"", -1, -2.0, Decimal(-3)]


def test_nothing_and_truth_stay_and_so_does_the_shape() -> None:
    assert of({"a": [None, True, {"b": False}], "c": []}) == {"a": [None, True, {"b": False}], "c": []}
    assert of({"x", "y"}) == {"redacted-1", "redacted-2"}


def test_what_stands_under_a_key_goes_at_any_depth_and_in_any_case() -> None:
    value = {"Card": {"number": "4111", "ok": True}, "list": [{"card": 5, "sum": 12}]}
    assert of(value, keyed("card")) == {
        "Card": {"number": "redacted-1", "ok": True},
        "list": [{"card": 1, "sum": 12}],
    }


def test_what_has_nothing_to_hide_keeps_its_bytes() -> None:
    raw = values.encode({"a": {3, 1, 2}})
    redactor = Redactor(keyed("card"))
    assert redactor.value(raw) == raw
    assert redactor.replaced == 0


def test_bytes_that_are_no_value_become_none() -> None:
    assert Redactor(ALL).value(b"\xc1") == values.NONE


def test_a_stream_forgets_what_it_was() -> None:
    raw = values.encode_stream(Reference(1, "make-1", "token", 5, "digest"))
    assert values.decode(Redactor(ALL).value(raw)) == Reference(1, "make-1", "", 5, "")


def test_a_failure_keeps_its_class_and_loses_its_words() -> None:
    failure = Failure("ValueError", "of Ada", path="builtins:ValueError", trace="Ada", notes=["Ada"])
    outer = Failure(
        "KeyError", "'Ada'", path="builtins:KeyError", kept=b"Ada", cause=failure, group=[failure]
    )
    found = Redactor(ALL).failure(outer)
    assert b"Ada" not in facts.encode(facts.Moved("errored", 1, failure=found))
    assert (found.name, found.path, found.message) == ("KeyError", "builtins:KeyError", "'redacted-2'")
    assert found.cause is not None
    assert found.cause.message == "redacted-1"


def test_what_an_error_carries_goes_when_it_speaks_of_a_key() -> None:
    kept = values.encode({"card": b"x"})
    redactor = Redactor(keyed("Card"))
    assert redactor.failure(Failure("E", "m", kept=kept, args=b"")).kept == b""
    assert redactor.failure(Failure("E", "m", kept=values.encode({"sum": b"x"}))).kept != b""


def test_notes_and_traces_go_when_they_speak_of_a_key() -> None:
    failure = Failure("E", "m", trace='Traceback\n  pay(card="4711")\n', notes=["Card: 4711", "sum: 3"])
    found = Redactor(keyed("CARD")).failure(failure)
    assert (found.trace, found.notes) == ("", ["sum: 3"])
    assert Redactor(keyed("email")).failure(failure) == failure


def test_the_seed_goes_where_chance_is_taken_out() -> None:
    redaction = Redaction(chance=True)
    redactor = Redactor(redaction)
    assert (redactor.seed(b"seed"), redactor.replaced) == (b"", 1)
    assert redaction.words() == ["sensitive", "chance"]
    assert Redactor(Redaction()).seed(b"seed") == b"seed"


def test_our_own_failures_stay() -> None:
    assert Redactor(ALL).failure(INTERRUPTED) == INTERRUPTED


def test_a_sensitive_steps_value_goes_wherever_that_is_said_of_it() -> None:
    secret = Ok(values.encode("s3cret"))
    redactor = Redactor(Redaction())
    journal: list[Fact] = [
        Opened("a-1", "do", 1, detail={"sensitive": "output"}),
        Settled("a-1", "do", 2, secret),
        Settled("b-1", "do", 2, secret, detail={"sensitive": "output"}),
        Settled("c-1", "do", 2, Ok(values.encode("fine"))),
    ]
    found = [redactor.fact(fact) for fact in journal]
    assert found[0] == journal[0]
    assert found[3] == journal[3]
    assert redactor.replaced == 2
    assert all(b"s3cret" not in facts.encode(fact) for fact in found)


def test_what_a_child_ended_with_goes_inside_its_event() -> None:
    event = Received(1, ".child-1", portable.as_payload(Ok(values.encode("Ada"))), 1, 1)
    outcome = portable.child(Redactor(ALL).received(event))
    assert outcome == Ok(values.encode("redacted-1"))
    failed = Received(1, ".child-1", portable.as_payload(Err(Failure("E", "Ada"))), 1, 1)
    found = portable.child(Redactor(ALL).received(failed))
    assert isinstance(found, Err)
    assert found.failure.message == "redacted-1"


def test_lines_lose_their_words_and_values() -> None:
    line = Logged("info", "hello Ada", 1, {"name": "Ada", "sum": 5})
    found = Redactor(ALL).fact(line)
    assert isinstance(found, Logged)
    assert (found.message, found.detail) == ("redacted-1", {"name": "redacted-2", "sum": 1})
    assert Redactor(keyed("name")).fact(line) == Logged(
        "info", "hello Ada", 1, {"name": "redacted-1", "sum": 5}
    )


def test_a_redaction_says_what_it_does() -> None:
    assert ALL.words() == ["all"]
    assert Redaction(keys=frozenset({"b", "a"})).words() == ["key:a", "key:b", "sensitive"]
    assert Redaction(sensitive=False).words() == []


@given(FACT)
def test_facts_stay_facts(fact: Fact) -> None:
    found = Redactor(ALL).fact(fact)
    assert type(found) is type(fact)
    assert facts.decode(facts.encode(found)) == found


@given(VALUE)
def test_the_same_value_is_redacted_in_the_same_way(raw: bytes) -> None:
    redactor = Redactor(ALL)
    once = redactor.value(raw)
    if b"\x7f\xf8" not in raw:  # what is no number is not even equal to itself
        assert redactor.value(raw) == once


@given(FAILURES)
def test_failures_stay_readable(failure: Failure) -> None:
    found = Redactor(ALL).failure(failure)
    assert portable.read_failure(portable.failure(found), "error") == found
