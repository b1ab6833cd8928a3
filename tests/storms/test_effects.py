"""The judge of the storm over effects finds what it is there to find."""

from __future__ import annotations

import pytest

from tests.storms.effects import COUNTS, ENTRIES, faults

NONE = {**ENTRIES, "vain": 0}


@pytest.mark.parametrize(
    ("kept", "entries", "status", "told"),
    [
        (COUNTS, NONE, "running", "it is running"),
        ({**COUNTS, "plain": "3"}, NONE, "complete", "plain was counted as 3, not 2"),
        ({**COUNTS, "vain": "1"}, NONE, "complete", "vain was counted as 1, not None"),
        ({"plain": "2"}, NONE, "complete", "end was counted as None, not there"),
        (COUNTS, {**NONE, "asks": 2}, "complete", "asks has begun 2 workflows, not 1"),
        (COUNTS, {**NONE, "vain": 1}, "complete", "vain has begun 1 workflows, not 0"),
    ],
)
def test_a_fault_is_told(kept, entries, status, told):
    assert told in faults(kept, entries, status)


def test_what_is_right_is_no_fault():
    assert faults(COUNTS, NONE, "complete") == []
