from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.engine.names import RETRIES_MAX, WAIT_MS_MAX
from wflow.engine.retry import BACKOFFS, DEFAULT, Retry, policy
from wflow.errors import InvalidInput


def test_the_defaults_are_five_retries_from_ten_seconds_on_and_ten_minutes_each():
    assert policy("s", None, None) is DEFAULT
    assert Retry(limit=5, delay_ms=10_000, backoff="exponential", timeout_ms=600_000) == DEFAULT


def test_what_is_given_replaces_the_default_of_its_key():
    given = {"limit": 1, "delay": "2 seconds", "backoff": "linear"}
    assert policy("s", given, "1 minute") == Retry(1, 2_000, "linear", 60_000)
    assert policy("s", MappingProxyType({"limit": 0, "delay": 0}), None) == Retry(0, 0)
    assert policy("s", {"limit": RETRIES_MAX, "delay": 1}, None) == Retry(RETRIES_MAX, 1)
    assert policy("s", None, 5) == Retry(timeout_ms=5)


def wrong(**given: object) -> dict[str, object]:
    """Give retries that are right but for what is given."""
    return {"limit": 1, "delay": 1} | given


@pytest.mark.parametrize(
    ("retries", "timeout", "problem"),
    [
        ({"limits": 1}, None, "retries has no key 'limits'; it takes limit, delay and backoff"),
        ({1: 2, "a": 3}, None, "retries has no key 1"),
        (5, None, "retries must be a dict with limit, delay and backoff, not 5"),
        ("limit", None, "retries must be a dict"),
        ([], None, "retries must be a dict"),
        (False, None, "retries must be a dict"),
        ({}, None, "retries needs 'limit'; it takes limit, delay and backoff"),
        ({"delay": 1}, None, "retries needs 'limit'"),
        ({"limit": 1}, None, "retries needs 'delay'"),
        ({"limit": None, "delay": 1}, None, "retries needs 'limit'"),
        ({"limit": 1, "delay": None}, 5, "retries needs 'delay'"),
        (wrong(limit=-1), None, "retries.limit must be a whole number from 0 to 10000, not -1"),
        (wrong(limit=RETRIES_MAX + 1), None, "not 10001"),
        pytest.param(wrong(limit=10**5_000), None, "not a int", id="a number without a repr"),
        (wrong(limit=1.0), None, "not 1.0"),
        (wrong(limit=True), None, "not True"),
        (wrong(limit="3"), None, "not '3'"),
        (wrong(backoff="fibonacci"), None, "retries.backoff must be one of constant, linear, exponential"),
        (wrong(backoff=[]), None, "not []"),
        (wrong(delay="soon"), None, "retries.delay: 'soon' is no duration"),
        (wrong(delay=-1), None, "retries.delay: -1 is negative"),
        (None, 0, "timeout must be more than 0"),
        (None, "2 years", "timeout: '2 years' is more than 365 days"),
        (None, True, "timeout: True is no duration"),
    ],
)
def test_what_is_wrong_is_refused_naming_the_step_and_the_key(retries, timeout, problem):
    with pytest.raises(InvalidInput) as refused:
        policy("charge", retries, timeout)
    assert refused.value.message.startswith("step 'charge': ")
    assert problem in refused.value.message


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [("constant", [10, 10, 10, 10]), ("linear", [10, 20, 30, 40]), ("exponential", [10, 20, 40, 80])],
)
def test_delays_grow_by_the_backoff(backoff, delays):
    retry = Retry(delay_ms=10, backoff=backoff)
    assert [retry.delay_after(attempt) for attempt in (1, 2, 3, 4)] == delays


@given(st.integers(0, WAIT_MS_MAX), st.sampled_from(BACKOFFS), st.integers(1, RETRIES_MAX))
def test_no_delay_is_shorter_than_the_one_before_or_longer_than_a_year(delay_ms, backoff, attempt):
    retry = Retry(delay_ms=delay_ms, backoff=backoff)
    assert delay_ms <= retry.delay_after(attempt) <= retry.delay_after(attempt + 1) <= WAIT_MS_MAX


def test_a_delay_that_a_function_gave_grows_like_the_policys():
    assert [Retry(backoff=backoff).delay_after(3, 10) for backoff in BACKOFFS] == [10, 30, 40]
    assert Retry().delay_after(3, 0) == 0
