"""The judge of the storm over queues finds what it is there to find."""

from __future__ import annotations

import pytest

from tests.storms.queues import Left, faults

HELD = Left(3, frozenset({"m"}))
GONE = Left(3, frozenset())


@pytest.mark.parametrize(
    ("kind", "got", "left", "told"),
    [
        ("plain", [], [], "was never delivered"),
        ("plain", [(1, "m", 1), (2, "n", 1)], [], "was sent more than once"),
        ("plain", [(1, "m", 1), (2, "m", 1)], [], "was delivered as attempts [1, 1]"),
        ("poison", [(1, "m", 1)], [], "was given up after [1]"),
        ("plain", [(1, "m", 1), (5, "m", 2)], [GONE], "came again though it was acknowledged"),
    ],
)
def test_a_fault_is_told(kind, got, left, told):
    assert any(told in wrong for wrong in faults(kind, got, left))


def test_a_message_that_comes_again_after_a_death_is_no_fault():
    assert faults("plain", [(1, "m", 1), (5, "m", 2)], [HELD]) == []
    assert faults("plain", [(1, "m", 1), (2, "m", 4)], [GONE]) == []
