import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.allowance import EXCESS_IN_A_ROW_LIMIT, NO_LIMIT, Allowance, limit_of


def test_a_burst_of_one_second_is_allowed_and_not_one_more() -> None:
    allowance = Allowance(20, 0.0)
    assert [allowance.take(0.0) for _ in range(20)] == [0] * 20
    assert allowance.take(0.0) == 50


def test_after_the_time_told_the_request_is_allowed() -> None:
    allowance = Allowance(20, 0.0)
    for _ in range(20):
        allowance.take(0.0)
    wait_ms = allowance.take(0.0)
    assert allowance.take(wait_ms / 1000) == 0


def test_what_is_left_is_told() -> None:
    allowance = Allowance(20, 0.0)
    allowance.take(0.0)
    assert (allowance.left(0.0), allowance.left(10.0)) == (19, 20)


def test_who_does_not_wait_however_often_told_abuses_it() -> None:
    allowance = Allowance(1, 0.0)
    for _ in range(EXCESS_IN_A_ROW_LIMIT):
        allowance.take(0.0)
    assert not allowance.abused
    allowance.take(0.0)
    assert allowance.abused


def test_who_waits_once_is_forgiven() -> None:
    allowance = Allowance(1, 0.0)
    for _ in range(EXCESS_IN_A_ROW_LIMIT):
        allowance.take(0.0)
    allowance.take(1.0)
    allowance.take(1.0)
    assert not allowance.abused


@pytest.mark.parametrize(("setting", "limit"), [(0, NO_LIMIT), (1, 1), (1024, 1024)])
def test_zero_is_no_limit(setting: int, limit: int) -> None:
    assert limit_of(setting) == limit


@given(st.lists(st.floats(0, 0.5), max_size=200))
def test_no_more_than_the_rate_and_one_burst_passes(pauses: list[float]) -> None:
    allowance, now, passed = Allowance(20, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += allowance.take(now) == 0
    assert passed <= 20 + now * 20 + 1e-6
