"""The judge finds what is wrong: each kind of it, in a case that was right before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.storms.judge import CALM, Case, Measure, wrong
from wflow.engine import values
from wflow.engine.facts import Moved, Received, Settled
from wflow.engine.outcome import Err, Failure, Ok

OK = Ok(values.encode(1))


def case(**changes: Any) -> Case:
    """Make an instance of `ticks` that took two events and kept each."""
    right = Case(
        workflow="ticks",
        status="complete",
        params={"ticks": 2},
        output=[10, 20],
        seqs=[1, 2, 3, 4, 5, 6, 7],
        journal=[
            Received(1, "tick", values.encode(10), 1, 1),
            Settled("tick-1", "waitForEvent", 2, OK, event=1),
            Settled("keep-1", "do", 4, OK),
            Received(2, "tick", values.encode(20), 4, 4),
            Settled("tick-2", "waitForEvent", 5, OK, event=2),
            Settled("keep-2", "do", 7, OK),
            Moved("complete", 8),
        ],
        began=[("keep-1", 3), ("keep-2", 6)],
    )
    return replace(right, **changes)


def test_what_is_right_is_right():
    assert list(wrong(case(), CALM)) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"status": "running"}, "it is running"),
        ({"seqs": [1, 2, 3, 4, 5, 6, 8]}, "gaps"),
        ({"journal": [*case().journal, Moved("complete", 9)], "seqs": list(range(1, 9))}, "ends 2 times"),
        ({"journal": [case().journal[2], *case().journal], "seqs": list(range(1, 9))}, "settled twice"),
        ({"journal": [case().journal[3], *case().journal], "seqs": list(range(1, 9))}, "came in twice"),
        ({"claimed": True}, "something is left"),
        ({"left": 1}, "something is left"),
        ({"began": [("keep-1", 3)]}, "steps differ"),
        ({"began": [("keep-1", 3), ("keep-1", 3), ("keep-2", 6)]}, "begun too often"),
        ({"began": [("keep-1", 5), ("keep-2", 6)]}, "begun after they had settled"),
        ({"output": [10, 10]}, "it says"),
        ({"output": [10, 10]}, "seen twice"),
        ({"output": [20, 10]}, "another order"),
    ],
)
def test_what_is_wrong_is_told(changes, told):
    assert any(told in one for one in wrong(case(**changes), CALM))


def test_a_step_that_failed_is_wrong():
    journal = list(case().journal)
    journal[2] = Settled("keep-1", "do", 4, Err(Failure("Boom", "it went off")))
    assert any("failed" in one for one in wrong(case(journal=journal), CALM))


def test_a_cut_excuses_one_more_beginning_and_no_later_one():
    again = [("keep-1", 2), ("keep-1", 3), ("keep-2", 6)]
    assert list(wrong(case(began=again), Measure(cuts=1))) == []
    assert list(wrong(case(began=[*again, ("keep-1", 9)]), Measure(cuts=2))) != []
    assert list(wrong(case(began=[*again, ("keep-1", 9)]), Measure(cuts=2, stale=True))) == []
