from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.engine.durations import milliseconds
from wflow.engine.names import WAIT_MS_MAX

DAY_MS = 24 * 60 * 60 * 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 second", 1_000),
        ("10 seconds", 10_000),
        ("2 minutes", 120_000),
        ("1 hour", 3_600_000),
        ("3 days", 3 * DAY_MS),
        ("1 week", 7 * DAY_MS),
        ("2 months", 60 * DAY_MS),
        ("1 year", 365 * DAY_MS),
        ("1 seconds", 1_000),
        ("1.5 minute", 90_000),
        ("0 seconds", 0),
        ("  5 second ", 5_000),
        ("5seconds", 5_000),
    ],
)
def test_text_is_a_number_and_a_unit(text, expected):
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (250, 250), (2.5, 2), (999.6, 1_000), (timedelta(seconds=3), 3_000), (WAIT_MS_MAX, WAIT_MS_MAX)],
)
def test_numbers_are_milliseconds_and_timedeltas_are_taken(value, expected):
    assert milliseconds(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "seconds",
        "ten seconds",
        "10 fortnights",
        "-1 second",
        "1e3 seconds",
        "10 Seconds",
        "1 second 2 minutes",
        "\u0661 second",
        None,
        True,
        [],
        b"1 second",
        Decimal(1),
        float("nan"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_rule(value):
    with pytest.raises(ValueError, match="is no duration; give milliseconds, "):
        milliseconds(value)


@pytest.mark.parametrize(
    "value", [-1, -0.4, timedelta(days=-1), float("-inf"), pytest.param(-(10**400), id="a long number")]
)
def test_a_negative_one_is_refused(value):
    with pytest.raises(ValueError, match="is negative"):
        milliseconds(value)


@pytest.mark.parametrize(
    "value",
    [
        WAIT_MS_MAX + 1,
        "366 days",
        "2 years",
        timedelta.max,
        float("inf"),
        pytest.param(10**400, id="more than a float"),
        pytest.param(10**5_000, id="a number without a repr"),
        pytest.param("9" * 5_000 + " years", id="a long text"),
    ],
)
def test_more_than_a_year_is_refused_with_the_number(value):
    with pytest.raises(ValueError, match=r"is more than 365 days \(31536000000 ms\)") as refused:
        milliseconds(value)
    assert len(str(refused.value)) < 200


@given(st.integers(0, WAIT_MS_MAX))
def test_whole_milliseconds_stay_what_they_are(number):
    assert milliseconds(number) == milliseconds(timedelta(milliseconds=number)) == number


@given(st.text() | st.floats() | st.integers() | st.timedeltas())
def test_whatever_is_given_there_is_a_number_in_range_or_a_valueerror(value):
    try:
        given_ms = milliseconds(value)
    except ValueError:
        return
    assert 0 <= given_ms <= WAIT_MS_MAX
