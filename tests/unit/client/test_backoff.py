from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.backoff import Pauses, moment_s, pause_s

shares = st.floats(0, 1, exclude_max=True)
seconds = st.floats(0, 1000)


@given(st.integers(0, 10_000), shares, seconds)
def test_a_pause_lies_between_half_and_all_of_what_it_grew_to(
    attempt: int, share: float, least: float
) -> None:
    pause = pause_s(attempt, Pauses(0.25, 30.0), least, lambda: share)
    grown = min(30.0, 0.25 * 2 ** min(attempt, 30))
    assert least + grown / 2 <= pause <= least + grown


@given(st.integers(0, 100), shares)
def test_pauses_never_shrink_with_further_attempts(attempt: int, share: float) -> None:
    pauses = Pauses()
    assert pause_s(attempt, pauses, 0, lambda: share) <= pause_s(attempt + 1, pauses, 0, lambda: share)


@given(seconds, seconds, shares)
def test_a_moment_lies_in_the_interval_that_the_server_told(least: float, most: float, share: float) -> None:
    moment = moment_s((least, most), lambda: share)
    assert least / 1000 <= moment <= max(least, most) / 1000


def test_an_interval_before_now_is_now() -> None:
    assert moment_s((-500, -100), lambda: 0.5) == 0.0
