from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.engine import facts
from wflow.engine.outcome import Err, Failure, Ok

TEXT = st.text(max_size=8)
NUMBER = st.integers(-(2**63), 2**63 - 1)
RAW = st.binary(max_size=8)
DETAIL = st.dictionaries(TEXT, TEXT | NUMBER | st.lists(NUMBER, max_size=2), max_size=2)
FAILURE = st.recursive(
    st.builds(Failure, TEXT, TEXT, TEXT, TEXT, RAW, st.none(), st.booleans()),
    lambda cause: st.builds(Failure, TEXT, TEXT, cause=cause),
    max_leaves=3,
)
OUTCOME = st.builds(Ok, RAW) | st.builds(Err, FAILURE)
FACT = st.one_of(
    st.builds(facts.Opened, TEXT, TEXT, NUMBER, RAW, DETAIL, NUMBER),
    st.builds(facts.Tried, TEXT, NUMBER, NUMBER),
    st.builds(facts.Failed, TEXT, NUMBER, NUMBER, NUMBER, FAILURE, st.none() | NUMBER),
    st.builds(
        facts.Settled, TEXT, TEXT, NUMBER, OUTCOME, RAW, event=st.none() | NUMBER, detail=DETAIL, order=NUMBER
    ),
    st.builds(facts.Received, NUMBER, TEXT, RAW, NUMBER, NUMBER, NUMBER),
    st.builds(facts.Moved, TEXT, NUMBER, st.none() | RAW, st.none() | FAILURE, DETAIL),
    st.builds(facts.Logged, TEXT, TEXT, NUMBER, DETAIL, TEXT, TEXT, NUMBER),
)


@given(FACT)
def test_a_fact_comes_back_as_it_was(fact):
    assert facts.decode(facts.encode(fact)) == fact


@given(FACT)
def test_a_fact_begins_with_its_tag(fact):
    assert msgspec.msgpack.decode(facts.encode(fact))[0] == facts.tag(fact)


def test_a_fact_from_before_its_newer_fields_has_their_defaults():
    old = msgspec.msgpack.encode([facts.SETTLED, "charge-1", "do", 5, [0, b"\x01"]])
    assert facts.decode(old) == facts.Settled("charge-1", "do", 5, Ok(b"\x01"))
    old = msgspec.msgpack.encode([facts.RECEIVED, 7, "paid", b"\x01", 5, 6])
    assert facts.decode(old) == facts.Received(7, "paid", b"\x01", 5, 6)


def test_fields_of_a_newer_wflow_are_passed_over():
    newer = msgspec.msgpack.encode([facts.TRIED, "charge-1", 1, 5, "what is this?"])
    assert facts.decode(newer) == facts.Tried("charge-1", 1, 5)


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode([99]), b"\x92\x02\xa1\xff"])
def test_what_is_no_fact_is_an_error(raw):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        facts.decode(raw)


def test_text_that_is_no_unicode_never_costs_a_fact():
    odd = "a\udcffb"
    failure = Failure("OSError", f"cannot open {odd}", args=b"\xff", cause=Failure("E", odd))
    told = facts.decode(facts.encode(facts.Failed(odd, 1, 2, 3, failure)))
    clean = Failure("OSError", "cannot open a?b", args=b"\xff", cause=Failure("E", "a?b"))
    assert told == facts.Failed("a?b", 1, 2, 3, clean)
    line = facts.Logged("info", odd, 1, {odd: [odd, 1, None, {"x": odd}]})
    assert facts.decode(facts.encode(line)) == facts.Logged(
        "info", "a?b", 1, {"a?b": ["a?b", 1, None, {"x": "a?b"}]}
    )


@given(FACT)
def test_what_is_readable_already_stays_the_same_bytes(fact):
    assert msgspec.msgpack.encode(facts.readable(fact)) == facts.encode(fact)
