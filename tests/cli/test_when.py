from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wflow.cli import when
from wflow.errors import UsageError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_a_time_may_be_said_as_how_long_ago(text, ago):
    assert when.since(text, NOON) == NOON - ago


def test_a_time_may_be_said_as_iso_8601():
    assert when.since("2026-11-22T10:00:00Z", NOON) == NOON - timedelta(hours=2)
    assert when.since("2026-11-22", NOON) == datetime(2026, 11, 22).astimezone()


@pytest.mark.parametrize("text", ["", "10", "m", "10 parsecs", "yesterday", "-5m", "9999999d"])
def test_what_is_no_time_is_refused_with_examples(text):
    with pytest.raises(UsageError, match="is no time") as refused:
        when.since(text, NOON)
    assert "10m" in (refused.value.hint or "")


def test_times_of_the_api_are_read_from_text_and_from_milliseconds():
    assert when.read("2026-11-22T12:00:00.000Z") == NOON
    assert when.read(NOON.timestamp() * 1000) == NOON
    assert [when.read(given) for given in (None, "soon", 10**30)] == [None] * 3


def test_no_time_is_shown_as_nothing():
    assert (when.local(None), when.clock(None, NOON), when.took("2026-11-22", None)) == ("", "", "")


def test_times_are_shown_on_the_persons_own_clock():
    given = datetime(2026, 11, 22, 12, 3, 11, 123_000).astimezone()
    assert when.clock(given.isoformat(), given) == "12:03:11.123"
    assert when.clock(given.isoformat(), given + timedelta(days=1)) == "2026-11-22 12:03:11.123"
    assert when.local(given.isoformat()) == "2026-11-22 12:03:11"
    assert when.exact(given.isoformat()) == "2026-11-22 12:03:11.123"


@pytest.mark.parametrize(
    ("duration_ms", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_500, "1.5 s"),
        (59_999, "60 s"),
        (125_000, "2 min 5 s"),
        (12_000_000, "3 h 20 min"),
        (100 * 3_600_000, "4 d 4 h"),
    ],
)
def test_a_duration_is_said_in_two_units_at_the_most(duration_ms, shown):
    assert when.spoken(duration_ms) == shown
