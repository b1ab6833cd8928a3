"""What stands behind the `?`."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from wflow.errors import InvalidInput
from wflow.server import queries

NOW = 1_795_348_800_000


def query(value):
    return QueryParams([] if value is None else [("x", value)])


@pytest.mark.parametrize(("given", "meant"), [(None, None), ("", None), ("1", 1), ("007", 7), ("9", 9)])
def test_a_whole_number_is_read(given, meant):
    assert queries.number(query(given), "x", at_least=1, at_most=9) == meant


@pytest.mark.parametrize("given", ["0", "10", "-1", "1.0", " 1", "1 ", "1_0", "\uff11", "x", "9" * 5_000])
def test_what_is_no_whole_number_within_bounds_is_refused(given):
    with pytest.raises(InvalidInput, match="`x`"):
        queries.number(query(given), "x", at_least=1, at_most=9)


@pytest.mark.parametrize(
    ("given", "meant"),
    [(None, False), ("", False), ("false", False), ("0", False), ("TRUE", True), ("1", True)],
)
def test_a_flag_is_read(given, meant):
    assert queries.flag(query(given), "x") is meant


def test_what_is_no_flag_is_refused():
    with pytest.raises(InvalidInput, match="true or false"):
        queries.flag(query("yes"), "x")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ("1795348700000", 1_795_348_700_000),
        ("500ms", NOW - 500),
        ("30s", NOW - 30_000),
        ("10m", NOW - 600_000),
        ("2h", NOW - 7_200_000),
        ("1d", NOW - 86_400_000),
        ("1w", NOW - 604_800_000),
        ("999999999999w", 0),
        ("2026-11-22T12:00:00Z", NOW),
        ("2026-11-22T12:00:00", NOW),
        ("2026-11-22T14:00:00.500+02:00", NOW + 500),
        ("2026-11-22", NOW - 43_200_000),
        ("0001-01-01", 0),
    ],
)
def test_an_instant_is_read(given, meant):
    assert queries.moment(query(given), "x", now=NOW) == meant


@pytest.mark.parametrize("given", ["yesterday", "10 m", "m", "-5m", "2026-13-01", "9" * 19, "1" * 900])
def test_what_is_no_instant_is_refused(given):
    with pytest.raises(InvalidInput, match="`x`"):
        queries.moment(query(given), "x", now=NOW)


def test_a_choice_is_one_of_its_options():
    assert queries.choice(query("asc"), "x", ("asc", "desc")) == "asc"
    with pytest.raises(InvalidInput, match="one of asc, desc"):
        queries.choice(query("ASC"), "x", ("asc", "desc"))
