"""The options of a new instance."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wflow.errors import InvalidInput
from wflow.wire import wanted

KEYS = ("success_retention", "error_retention")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((), ()),
        (["b", "a", "b"], ("b", "a")),
        (("ü " * 32,), ("ü " * 32,)),
        ([str(number) for number in range(10)], tuple("0123456789")),
        (["same"] * 50, ("same",)),
    ],
)
def test_tags_are_kept_in_their_order_and_once(given, kept):
    assert wanted.tags(given) == kept


@pytest.mark.parametrize(
    "given",
    [None, "blue", {"a": 1}, 7, [""], ["x" * 65], ["a\nb"], ["a\x7f"], ["\ud800"], [7], list("abcdefghijk")],
)
def test_what_is_no_list_of_tags_is_refused(given):
    with pytest.raises(InvalidInput):
        wanted.tags(given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, (None, None)),
        ({"success_retention": None}, (None, None)),
        ({"success_retention": "3 days"}, (259_200_000, None)),
        ({"error_retention": 0}, (None, 0)),
        (
            {"success_retention": timedelta(hours=1), "error_retention": "365 days"},
            (3_600_000, 31_536_000_000),
        ),
    ],
)
def test_a_retention_is_two_durations(given, kept):
    assert wanted.retention(given, "retention", KEYS) == kept


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "`retention` must have success_retention and error_retention, not be None"),
        ("3 days", "not be '3 days'"),
        ({"success": 1}, "`retention` has no key 'success'; it takes success_retention and error_retention"),
        ({"error_retention": "soon"}, "`retention.error_retention`: 'soon' is no duration"),
        ({"error_retention": True}, "`retention.error_retention`: True is no duration"),
        ({"success_retention": -1}, "-1 is negative"),
        ({"success_retention": "366 days"}, "more than 365 days"),
    ],
)
def test_what_is_no_retention_is_refused_by_its_name(given, said):
    with pytest.raises(InvalidInput) as caught:
        wanted.retention(given, "retention", KEYS)
    assert said in caught.value.message
