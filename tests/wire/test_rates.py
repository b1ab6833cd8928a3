from __future__ import annotations

import pytest

from wflow.wire import rates


@pytest.mark.parametrize(
    ("text", "rate", "shown"),
    [
        ("300/s", 300, "300/s"),
        ("300 / second", 300, "300/s"),
        ("20/min", 1 / 3, "20/min"),
        ("120/m", 2, "2/s"),
        ("1000/h", 1000 / 3600, "1000/h"),
        ("7/hour", 7 / 3600, "7/h"),
        ("1/d", 1 / 86_400, "1/d"),
        ("1000000/s", 1_000_000, "1000000/s"),
    ],
)
def test_a_rate_is_read_and_shown_with_the_shortest_time_in_which_it_is_whole(
    text: str, rate: float, shown: str
):
    assert rates.parse(text) == pytest.approx(rate)
    assert rates.shown(rates.parse(text)) == shown


@pytest.mark.parametrize(
    "wrong", ["", "300", "300/week", "-1/s", "1.5/s", "/s", "300/s ", "3000/S", 300, None, "٣/s"]
)
def test_what_is_no_rate_is_refused_with_an_example(wrong: object):
    with pytest.raises(ValueError, match='a rate is a number and a time, such as "300/s"'):
        rates.parse(wrong)


@pytest.mark.parametrize("wrong", ["0/s", "1000001/s", "999999999999/s"])
def test_a_rate_beyond_the_limits_is_refused(wrong: str):
    with pytest.raises(ValueError, match="a rate is 1 a day to 1,000,000 a second"):
        rates.parse(wrong)
