from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.engine.changes import Change, Ended, Rested
from wflow.engine.facts import Received
from wflow.link import frames

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(max_size=6),
    bytes: st.binary(max_size=6),
    bool: st.booleans(),
    type(None): st.none(),
    object: st.none() | st.booleans() | st.text(max_size=3) | st.lists(st.integers(0, 9), max_size=2),
}


def anything_of(wanted: Any, around: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Build whatever a field may hold, by its annotation; a failure holds failures, but not for ever."""
    if wanted in LEAVES:
        leaf: st.SearchStrategy[Any] = LEAVES[wanted]
        return leaf
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is list:
        item = anything_of(inner[0], around)
        return st.lists(item, max_size=0 if item.is_empty else 3)
    if origin is dict:
        return st.dictionaries(anything_of(inner[0]), anything_of(inner[1], around), max_size=2)
    if origin is tuple:
        return st.tuples(*(anything_of(each, around) for each in inner))
    if origin in {types.UnionType, typing.Union}:
        return st.one_of([anything_of(each, around) for each in inner])
    assert issubclass(wanted, msgspec.Struct)
    return st.nothing() if around.count(wanted) == 2 else message_of(wanted, around)


def message_of(kind: Any, around: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    fields = {name: hint for name, hint in typing.get_type_hints(kind).items() if name[0] != "_"}
    return st.builds(kind, **{name: anything_of(hint, (*around, kind)) for name, hint in fields.items()})


MESSAGES = [(kind, union) for union in (frames.ToRuntime, frames.ToRunner) for kind in typing.get_args(union)]


@pytest.mark.parametrize(("kind", "union"), MESSAGES, ids=[kind.__name__ for kind, _ in MESSAGES])
@given(data=st.data())
def test_a_message_comes_back_as_it_was(kind, union, data):
    messages = data.draw(st.lists(message_of(kind), min_size=1, max_size=3))
    raw = msgspec.msgpack.encode(messages)
    assert msgspec.msgpack.Decoder(types.GenericAlias(list, union)).decode(raw) == messages


def test_every_message_has_a_number_of_its_own():
    numbers = [kind.__struct_config__.tag for kind in {kind for kind, _ in MESSAGES}]
    assert all(isinstance(number, int) for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_the_two_directions_have_no_message_in_common_but_pieces_of_bodies():
    both = set(typing.get_args(frames.ToRuntime)) & set(typing.get_args(frames.ToRunner))
    assert both == {frames.Piece, frames.Taken}


def test_every_kind_of_message_goes_one_of_the_two_ways():
    kinds = {
        each for each in vars(frames).values() if isinstance(each, type) and issubclass(each, frames._Message)
    }
    assert kinds - {frames._Message} == {kind for kind, _ in MESSAGES}


def test_a_message_of_the_other_direction_is_refused():
    raw = msgspec.msgpack.encode([frames.Hello(1, 2)])
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(raw, type=list[frames.ToRuntime])


def test_a_commit_carries_facts_and_changes_of_many_instances():
    commit = frames.Commit(
        batch=7,
        claims=[(1, 2), (3, 4)],
        rows=[(1, 1, 4, 10, b"x"), (3, 9, 7, 11, b"")],
        changes=[Rested(1, 10, 20, ["paid"]), Ended(3, 11, "complete", b"\x01")],
        received=[5],
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([commit]), type=list[frames.ToRunner]) == [commit]
    assert typing.get_args(typing.get_type_hints(frames.Commit)["changes"])[0] == Change


def test_a_turn_says_whether_its_journal_is_with_it():
    turn = frames.Turn(1, 2, "shop", "a", 5, b"\xc0", 0, None, [Received(1, "paid", b"", 3, 4)])
    play = frames.Play([turn, msgspec.structs.replace(turn, records=[])])
    raw = msgspec.msgpack.encode([play])
    assert msgspec.msgpack.decode(raw, type=list[frames.ToRuntime]) == [play]
