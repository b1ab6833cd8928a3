"""A result too big for a value: what is kept of it, where that may stand, and what it counts."""

from __future__ import annotations

import pytest

from tests.engine.play import again
from wflow.engine import facts, values
from wflow.engine.facts import Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import FULL, Err, Ok
from wflow.engine.steps.do import Do
from wflow.engine.stream import PIECE_BYTES, PIECES, Reference, Streamed
from wflow.errors import UnserializableError

STREAM = Reference(7, "make-1", "c0ffee", 1_234, "ab" * 32)


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(0, 0), (1, 1), (PIECE_BYTES, 1), (PIECE_BYTES + 1, 2), (PIECES * PIECE_BYTES, PIECES)],
)
def test_a_stream_has_as_many_pieces_as_it_takes(size, pieces):
    assert Reference(7, "make-1", "a", size, "").pieces == pieces


def test_what_is_kept_of_a_stream_comes_back():
    assert values.decode(values.encode_stream(STREAM)) == STREAM


@pytest.mark.parametrize("value", [STREAM, Streamed(STREAM), [STREAM], {"a": (1, Streamed(STREAM))}])
def test_a_stream_is_no_value_and_no_part_of_one(value):
    with pytest.raises(
        UnserializableError, match="a stream cannot be kept here: only a step that returns it"
    ):
        values.encode(value)


def test_a_stream_tells_arguments_apart():
    other = Reference(7, "make-1", "c0ffee", 1_234, "cd" * 32)
    digests = {
        values.digest_of((STREAM,)),
        values.digest_of((other,)),
        values.digest_of(([STREAM, {"b": other}],)),
        values.digest_of(([STREAM, {"b": STREAM}],)),
    }
    assert len(digests) == 4
    assert b"" not in digests
    assert values.digest_of((Streamed(STREAM),)) == values.digest_of((STREAM,))


def test_arguments_without_a_stream_are_told_apart_as_ever():
    assert values.digest_of(({"a": [1, (2, 3)]}, {4})) == values.digest_of(({"a": [1, [2, 3]]}, {4}))


def test_a_stream_is_shown_by_its_size():
    shown = values.json_ready(values.decode(values.encode_stream(STREAM)))
    assert shown == "[stream of 1,234 bytes]"


def test_the_bytes_of_a_stream_count_to_what_an_instance_may_keep_live_and_replayed():
    kept = values.encode_stream(STREAM)
    live = Machine(state_bytes=2_000)
    report(live, "make", Ok(kept, 1_234))
    journal = live.take()
    for machine in (live, again(*journal, state_bytes=2_000)):
        if machine is not live:
            machine.open(Do("make"), 0)
        room = 2_000 - 1_234 - len(kept)
        assert machine.room == room
        assert report(machine, "more", Ok(b"", room + 1)) == Err(FULL)
        assert report(machine, "enough", Ok(b"\x01", room - 1)) == Ok(b"\x01", room - 1)


def test_an_outcome_of_before_there_were_streams_has_nothing_beside_it():
    raw = facts.encode(Settled("a-1", "do", 0, Ok(b"\x01")))
    old = raw.replace(b"\x93\x00\xc4\x01\x01\x00", b"\x92\x00\xc4\x01\x01")
    assert len(old) == len(raw) - 1
    assert facts.decode(old) == Settled("a-1", "do", 0, Ok(b"\x01", 0))


def report(machine: Machine, name: str, outcome: Ok) -> Ok | Err:
    key = machine.open(Do(name), 0)
    machine.decide(key, 0)
    machine.begin(key, 1, 0)
    return machine.report(key, outcome, 0)
