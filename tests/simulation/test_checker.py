"""Whoever judges must be able to find fault: bugs are planted, one at a time, and each is found."""

from __future__ import annotations

import contextlib
import io

import pytest

from tests.simulation.bodies import Do, Gather, Nap, Program, Seq, Sleep, Wait
from tests.simulation.planted import PLANTED
from tests.simulation.running import body, judged
from tests.simulation.schedules import Case, Mishap, Schedule, Sent

BODIES = 150
"""Each with three schedules: less than two seconds for a bug that hides well."""
HARD = {
    "who timed out swallows an event": Case(
        program=Program(Gather((Do(takes=2_500), Seq((Wait("x", 1_000), Wait("x", 15_000)))))),
        sent=(Sent(1_500),),
        schedule=Schedule((Mishap(ms=500),), late=3_000),
    )
}
"""Those that chance finds once in many thousands of schedules, with one that shows them."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name, monkeypatch):
    if name in HARD:
        assert judged(HARD[name])[1] == []
    PLANTED[name](monkeypatch)
    with contextlib.redirect_stderr(io.StringIO()):
        if name in HARD:
            found = judged(HARD[name])[1]
        else:
            found = next((wrong for seed in range(BODIES) for *_, wrong in body(seed, 3) if wrong), [])
    assert found


def test_a_case_without_a_bug_is_in_order():
    program = Program(Gather((Do(takes=400, failures=2), Sleep(1_000), Nap(400), Wait("x", 1_000))))
    assert judged(Case(program, (Sent(500),)))[1] == []
