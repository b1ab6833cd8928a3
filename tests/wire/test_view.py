"""One mapping, four ways to ask."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from wflow.runtime.event import Event
from wflow.wire.view import View

VIEW = View(instanceId="order-1", status="complete", list_complete=True, error=None)


def test_an_item_answers_to_both_names_as_an_item_and_as_an_attribute():
    assert {VIEW["instanceId"], VIEW["instance_id"], VIEW.instanceId, VIEW.instance_id} == {"order-1"}
    assert VIEW.get("instance_id") == VIEW.get("instanceId") == "order-1"
    assert "instance_id" in VIEW
    assert "instanceId" in VIEW


def test_a_key_that_has_an_underscore_is_itself():
    assert VIEW.list_complete is VIEW["list_complete"] is True


def test_what_is_not_there_is_an_error_that_lists_what_is():
    with pytest.raises(AttributeError, match="there is no 'state' here; there is instanceId, status"):
        VIEW.state  # noqa: B018 - looking is the test
    with pytest.raises(KeyError, match="state"):
        VIEW["state"]
    with pytest.raises(KeyError):
        VIEW[5]  # type: ignore[index]
    assert VIEW.get("state") is None
    assert VIEW.get("state", 5) == 5
    assert "state" not in VIEW
    assert 5 not in VIEW  # type: ignore[comparison-overlap]
    assert not hasattr(VIEW, "__html__")


def test_none_is_a_value():
    assert VIEW.error is None
    assert VIEW.get("error", 5) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda view: view.__setitem__("a", 1),
        lambda view: view.__delitem__("status"),
        lambda view: setattr(view, "status", 1),
        lambda view: delattr(view, "status"),
        lambda view: view.update(a=1),
        lambda view: view.pop("status"),
        lambda view: view.popitem(),
        lambda view: view.clear(),
        lambda view: view.setdefault("a", 1),
        lambda view: view.__ior__({"a": 1}),
    ],
)
def test_it_cannot_be_changed(change):
    with pytest.raises(TypeError, match="read-only; make a copy with dict"):
        change(VIEW)
    assert dict(VIEW) == {"instanceId": "order-1", "status": "complete", "list_complete": True, "error": None}


def pickled(view):
    return pickle.loads(pickle.dumps(view))  # noqa: S301


def test_it_is_a_dict():
    assert json.loads(json.dumps(VIEW)) == dict(VIEW)
    assert {**VIEW} == VIEW == dict(VIEW)
    assert VIEW | {"a": 1} == {**VIEW, "a": 1}
    assert [*VIEW] == ["instanceId", "status", "list_complete", "error"]
    match VIEW:
        case {"status": status}:
            assert status == "complete"
        case _:
            pytest.fail("it matches as a mapping")


@pytest.mark.parametrize("kind", [View, Event])
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_is_of_the_same_kind(kind, again):
    view = kind(payload={"a": [1]}, instanceId="order-1")
    back = again(view)
    assert type(back) is kind
    assert back == view
    assert back.instance_id == "order-1"
