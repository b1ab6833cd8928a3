from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.wire import crons
from wflow.wire.crons import Cron

SUNDAY = "2026-11-22 22:00"

parts = st.sampled_from(["*", "0", "5", "*/7", "1-3", "2,4", "10-23/4"])
days = st.sampled_from(["*", "1", "28", "L", "LW", "*/9"])
weekdays = st.sampled_from(["*", "1", "MON-FRI", "2-6", "7", "3#2", "6L", "SUN,WED"])
instants = st.integers(min_value=10**12, max_value=2 * 10**12)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


def text(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("cron", "before", "after"),
    [
        ("* * * * *", "2026-11-22 22:00", "2026-11-22 22:01"),
        ("*/5 * * * *", "2026-11-22 22:00", "2026-11-22 22:05"),
        ("0 9 * * 2-6", "2026-11-20 09:00", "2026-11-23 09:00"),  # Monday to Friday
        ("0 9 * * MON-FRI", "2026-11-20 09:00", "2026-11-23 09:00"),
        ("0 9 * * mon-fri", "2026-11-20 09:00", "2026-11-23 09:00"),
        ("0 9 * * 1", "2026-11-22 09:00", "2026-11-29 09:00"),  # Sunday
        ("0 9 * * 7", "2026-11-21 09:00", "2026-11-28 09:00"),  # Saturday
        ("59 23 LW * *", "2026-10-30 23:59", "2026-11-30 23:59"),
        ("0 0 L * *", "2026-10-31 00:00", "2026-11-30 00:00"),
        ("0 10 * * 2#3", "2026-11-16 10:00", "2026-12-21 10:00"),  # the third Monday
        ("0 10 * * MON#3", "2026-11-16 10:00", "2026-12-21 10:00"),
        ("0 10 * * FRIL", "2026-10-30 10:00", "2026-11-27 10:00"),
        ("0 10 * * 6L", "2026-10-30 10:00", "2026-11-27 10:00"),
        ("0 0 * * 2/3", "2026-11-19 00:00", "2026-11-23 00:00"),  # Monday and Thursday
        ("0 0 1,15 * 2", "2026-11-16 00:00", "2026-11-23 00:00"),  # either will do
        ("0 0 29 2 *", "2024-02-29 00:00", "2028-02-29 00:00"),
    ],
)
def test_a_schedule_fires_as_cloudflare_has_it(cron, before, after):
    schedule = Cron(cron)
    assert text(schedule.last(ms(SUNDAY))) == before
    assert text(schedule.next(ms(SUNDAY))) == after


def test_the_instant_itself_is_the_last_and_not_the_next():
    schedule = Cron("0 * * * *")
    at = ms("2026-11-22 22:00")
    assert (schedule.last(at), schedule.next(at)) == (at, at + 3_600_000)
    assert (schedule.last(at - 1), schedule.next(at - 1)) == (at - 3_600_000, at)


def test_nothing_was_before_1970():
    assert Cron("0 0 31 12 *").last(1_000) is None


@given(st.tuples(parts, parts, days, st.just("*"), weekdays), instants)
def test_nothing_fires_between_the_last_and_the_next(fields, at):
    schedule = Cron(" ".join(fields))
    last, later = schedule.last(at), schedule.next(at)
    assert last is not None
    assert last <= at < later
    assert schedule.next(last) == later
    assert schedule.last(later - 1) == last


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ("* * * *", "five fields .* this has 4"),
        ("* * * * * *", "this has 6"),
        ("", "five fields"),
        (5, "five fields"),
        (None, "five fields"),
        ("61 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * * 13 *", "bad month"),
        ("* * * * 0", r"1 \(Sunday\) to 7 \(Saturday\)"),
        ("* * * * 8", "not 8"),
        ("* * 15W * *", "LW"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 ? * *", "five fields"),
        ("0 0 * * MONDAY", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 * *\n*", "five fields"),
        ("0 " * 200, "at most 256"),
    ],
)
def test_what_makes_no_sense_is_told(given_, said):
    with pytest.raises(ValueError, match=said):
        crons.parse(given_)


def test_an_instance_of_a_schedule_tells_of_it():
    id_ = crons.instance_id("*/5 9-17 * * MON-FRI", 1_795_384_800_000)
    assert id_ == "*/5 9-17 * * MON-FRI-1795384800000"
    assert crons.told(id_) == ("*/5 9-17 * * MON-FRI", 1_795_384_800_000)


@pytest.mark.parametrize("id_", ["order-1", "0199abc", "a-b-c", "* * * * *", ""])
def test_other_ids_tell_of_none(id_):
    assert crons.told(id_) is None
