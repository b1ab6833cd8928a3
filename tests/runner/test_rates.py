from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wflow.runner.rates import Bucket, Buckets


def test_what_a_second_brings_may_be_taken_at_once_and_then_as_it_comes():
    bucket = Bucket(10, now=0)
    assert bucket.room(0) == 10
    bucket.take(10, 0)
    assert bucket.room(99) == 0
    assert bucket.room(100) == 1
    assert bucket.room(5_000) == 10, "it holds no more than a second's"


def test_a_slow_rate_lets_one_through_at_a_time():
    bucket = Bucket(1 / 60, now=0)
    bucket.take(1, 0)
    assert (bucket.room(59_999), bucket.room(60_000)) == (0, 1)
    assert bucket.wait_ms(1, 60_000) == 0


def test_what_is_in_one_piece_passes_a_full_bucket_and_leaves_a_debt():
    bucket = Bucket(10, now=0)
    assert bucket.wait_ms(100, 0) == 0
    bucket.take(100, 0)
    assert bucket.wait_ms(1, 0) == 9_100
    assert bucket.wait_ms(100, 0) == 10_000
    assert bucket.wait_ms(1, 9_100) == 0


def test_a_clock_that_is_put_back_brings_nothing():
    bucket = Bucket(10, now=10_000)
    bucket.take(10, 10_000)
    assert bucket.room(4_000) == 0
    assert bucket.room(4_100) == 1


@given(
    st.sampled_from([0.5, 3.0, 300.0]),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 400)), max_size=50),
)
def test_over_time_no_more_is_let_through_than_the_rate_says(rate: float, asked: list[tuple[int, int]]):
    bucket, now, passed = Bucket(rate, now=0), 0, 0
    for later, count in asked:
        now += later
        taken = min(count, bucket.room(now))
        bucket.take(taken, now)
        passed += taken
        assert passed <= max(1.0, rate) + now * rate / 1000 + 1e-6


def test_another_rate_makes_another_bucket_and_the_same_one_keeps_it():
    buckets = Buckets()
    buckets.of("orders", 10, 0).take(10, 0)
    assert buckets.of("orders", 10, 0).room(0) == 0
    assert buckets.of("returns", 10, 0).room(0) == 10
    assert buckets.of("orders", 20, 0).room(0) == 20
