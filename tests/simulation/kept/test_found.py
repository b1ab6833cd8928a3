"""What the simulation has found, each as small as it could be made."""

from __future__ import annotations

from tests.simulation.bodies import Bag, Do, First, Gather, Program, Seq, Sleep, Tell, Wait
from tests.simulation.running import judged
from tests.simulation.schedules import Case, Mishap, Schedule, Sent


def test_an_attempt_that_a_pause_put_off_is_made_once_when_it_goes_on():
    program = Program(Bag((Do(takes=400, failures=99), Do("b", 1_000, 1, delay=1_000), Sleep(15_000))))
    _, wrong = judged(Case(program, (Sent(100, "pause"), Sent(600, "resume"))))
    assert wrong == []


def test_a_step_that_nobody_awaits_is_undone_even_if_its_outcome_was_on_its_way_to_disk():
    loose = First((Wait("y"), Do(undo=0), Do("b", 1, undo=0), Do("c", 2_500)), cancels=False)
    case = Case(Program(loose), (Sent(0, "y"), Sent(1_000, "rollBack")), Schedule(store=(40,)))
    _, wrong = judged(case)
    assert wrong == []


def test_no_step_is_called_for_an_answer_that_a_crash_makes_another_one():
    new_way = Seq((Do(takes=1), Tell("patched"), Do("c")))
    program = Program(Gather((new_way, Do("b", 1), Do("b", 1), Do("d", 30))))
    _, wrong = judged(Case(program, schedule=Schedule((Mishap(commit=3),))))
    assert wrong == []
