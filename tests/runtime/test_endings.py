from __future__ import annotations

import pytest

from wflow.engine import values
from wflow.engine.divergence import Point
from wflow.engine.facts import Moved
from wflow.engine.outcome import Err, Failure, Ok, Outcome
from wflow.runtime.endings import SHOWN_CHARS, difference

BOOM = Failure("ValueError", "boom")
FIVE = Ok(values.encode(5))
COMPLETE = Moved("complete", 1, values.encode(5))
ERRORED = Moved("errored", 1, failure=BOOM)


@pytest.mark.parametrize(
    ("end", "given"),
    [
        (COMPLETE, FIVE),
        (Moved("complete", 1), Ok(values.encode("anything"))),
        (ERRORED, Err(Failure("ValueError", "boom", trace="another"))),
        (Moved("errored", 1), Err(Failure("KeyError", "another"))),
        (Moved("terminated", 1), None),
        (Moved("terminated", 1), FIVE),
    ],
)
def test_what_comes_to_the_same_end_does_not_differ(end: Moved, given: Outcome | None) -> None:
    assert difference(end, given, over=True) is None


@pytest.mark.parametrize(
    ("end", "given", "said"),
    [
        (COMPLETE, Ok(values.encode([6])), "the instance gave 5; the code gives [6]"),
        (COMPLETE, Err(BOOM), "the instance came to its end; the code fails with ValueError: boom"),
        (COMPLETE, None, "the instance came to its end; the code is cancelled"),
        (ERRORED, FIVE, "the instance failed with ValueError: boom; the code comes to its end"),
        (
            ERRORED,
            Err(Failure("ValueError", "bang")),
            "ValueError: boom; the code fails with ValueError: bang",
        ),
        (ERRORED, Err(Failure("KeyError", "")), "the code fails with KeyError"),
        (Moved("errored", 1), FIVE, "the instance failed; the code comes to its end"),
    ],
)
def test_another_end_is_said(end: Moved, given: Outcome | None, said: str) -> None:
    different = difference(end, given, over=True)
    assert different is not None
    assert said in str(different)
    assert different.divergence is None


def test_code_that_goes_on_is_said_with_its_step() -> None:
    beyond = Point(key="more-1", kind="do", site="src/worker.py:5 await ctx.do(...)")
    different = difference(COMPLETE, None, over=False, beyond=beyond)
    assert different is not None
    assert "the code goes on with step 'more-1'" in str(different)
    assert "src/worker.py:5" in str(different)
    assert (different.divergence.cause, different.divergence.requested) == ("added", beyond)


def test_code_that_only_waits_is_said() -> None:
    different = difference(COMPLETE, None, over=False)
    assert "the code waits for something" in str(different)


def test_an_instance_that_was_terminated_may_not_be_over_in_the_code() -> None:
    assert difference(Moved("terminated", 1), None, over=False) is None


def test_long_outputs_are_cut() -> None:
    different = difference(COMPLETE, Ok(values.encode("x" * 1_000)), over=True)
    assert len(str(different)) < SHOWN_CHARS + 100
