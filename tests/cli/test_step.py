from __future__ import annotations

import json

import pytest

STEP = "/accounts/local/workflows/shop/instances/order-1/step"
SHOW = ("workflows", "instances", "step", "shop", "order-1", "charge-1")
BOOM = {"name": "ValueError", "message": "boom"}


def test_the_whole_output_is_printed_as_json(wflow, logged_in):
    output = {"paid": "x" * 20_000}
    logged_in.gives("GET", STEP, {"status": "complete", "error": None, "output": output})
    ran = wflow(*SHOW)
    assert (ran.code, json.loads(ran.out), ran.err) == (0, output, "")
    assert logged_in.asked[-1].query == {"name": "charge-1"}


def test_one_attempt_of_one_kind_is_asked_for(wflow, logged_in):
    found = {"status": "errored", "error": BOOM, "output": None}
    logged_in.gives("GET", STEP, found)
    ran = wflow(*SHOW, "--attempt", "2", "--type", "step", "--json")
    assert (ran.code, json.loads(ran.out)) == (0, found)
    assert logged_in.asked[-1].query == {"name": "charge-1", "attempt": "2", "type": "step"}


@pytest.mark.parametrize(
    ("found", "given", "said"),
    [
        ({"status": "running", "error": None}, (), "step charge-1 has no output, as it is running"),
        (
            {"status": "running", "error": BOOM},
            (),
            "step charge-1 has no output, as it is running: ValueError: boom",
        ),
        (
            {"status": "errored", "error": {**BOOM, "trace": "Trace\n  line 3\n"}},
            ("--attempt", "1"),
            "attempt 1 of step charge-1 has no output, as it is errored: ValueError: boom\n\nTrace\n  line 3",
        ),
    ],
)
def test_what_has_no_output_says_why_and_ends_with_1(wflow, logged_in, found, given, said):  # noqa: PLR0917 - a table
    logged_in.gives("GET", STEP, {**found, "output": None})
    ran = wflow(*SHOW, *given)
    assert (ran.code, ran.out, ran.err) == (1, "", f"error: {said}\n")


def test_a_null_is_an_output(wflow, logged_in):
    logged_in.gives("GET", STEP, {"status": "complete", "error": None, "output": None})
    assert wflow(*SHOW).out == "null\n"
