from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.native.pacing import TokenBucket


def test_a_burst_of_one_second_is_allowed_and_not_one_more() -> None:
    bucket = TokenBucket(20, 0.0)
    assert [bucket.take(0.0) for _ in range(20)] == [0] * 20
    assert bucket.take(0.0) == 50


def test_after_the_time_told_the_request_is_allowed() -> None:
    bucket = TokenBucket(20, 0.0)
    for _ in range(20):
        bucket.take(0.0)
    wait_ms = bucket.take(0.0)
    assert bucket.take(wait_ms / 1000) == 0


def test_what_is_left_is_told() -> None:
    bucket = TokenBucket(20, 0.0)
    bucket.take(0.0)
    assert (bucket.left(0.0), bucket.left(10.0)) == (19, 20)


@given(st.lists(st.floats(0, 0.5), max_size=200))
def test_no_more_than_the_rate_and_one_burst_passes(pauses: list[float]) -> None:
    bucket, now, passed = TokenBucket(20, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now) == 0
    assert passed <= 20 + now * 20 + 1e-6
